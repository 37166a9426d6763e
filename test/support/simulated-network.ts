import {
  type Address,
  type AddressPort,
  addressPortOf,
  isPrivate,
  splitAddressPort,
} from '../../shared/net/address.ts'

/** Numbers from 0 to 1, the same ones for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Things that happen at a time, in order. */
export class Timeline {
  now = 0
  readonly #events: { at: number; order: number; happen: () => unknown }[] = []
  #order = 0

  at(at: number, happen: () => unknown): void {
    this.#order += 1
    const event = { at: Math.max(at, this.now), order: this.#order, happen }
    let [low, high] = [0, this.#events.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#events[middle]
      if (other !== undefined && (other.at - event.at || other.order - event.order) > 0) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }

  /** The same, where what happens may take promises to happen; time stands still for them. */
  async follow(until: number, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const event = this.#events.at(-1)
      if (event === undefined || event.at > until) return
      this.#events.pop()
      this.now = event.at
      await event.happen()
    }
  }

  /** Until nothing is left, time is over, or `isDone`. */
  run(until: number, isDone: () => boolean): void {
    while (!isDone()) {
      const event = this.#events.at(-1)
      if (event === undefined || event.at > until) return
      this.#events.pop()
      this.now = event.at
      event.happen()
    }
  }
}

/** How a site meets the world. The first two have public addresses, the others a private network behind one. */
export const SITE_KINDS = [
  'open',
  'firewall',
  'full cone',
  'address restricted',
  'port restricted',
  'symmetric',
] as const

export type SiteKind = (typeof SITE_KINDS)[number]

export const WIREGUARD_PORT = 51820

/** A place with one public address: a host of its own, or a NAT with hosts behind it. */
export class Site {
  readonly kind: SiteKind
  readonly publicAddress: Address
  readonly hosts = new Map<Address, NetworkHost>()
  readonly #random: () => number
  /** What a host (and for symmetric NATs a destination) is seen as from outside. */
  readonly #mappings = new Map<string, number>()
  readonly #inside = new Map<number, NetworkHost>()
  /** Per outside port, where was sent to. */
  readonly #sent = new Map<number, Set<string>>()

  constructor(kind: SiteKind, publicAddress: Address, random: () => number) {
    this.kind = kind
    this.publicAddress = publicAddress
    this.#random = random
  }

  get isNat(): boolean {
    return this.kind !== 'open' && this.kind !== 'firewall'
  }

  /** Lets a packet out; answers with the source that the world sees. */
  leave(host: NetworkHost, to: AddressPort): AddressPort {
    const key = this.kind === 'symmetric' ? `${host.address} ${to}` : host.address
    const port = this.#mappings.get(key) ?? this.#allot(host)
    this.#mappings.set(key, port)
    this.#inside.set(port, host)
    const sent = this.#sent.get(port) ?? new Set()
    this.#sent.set(port, sent.add(to).add(splitAddressPort(to).address))
    return addressPortOf(this.publicAddress, port)
  }

  /** Lets a packet in, or not. */
  enter(port: number, from: AddressPort): NetworkHost | undefined {
    const [host] =
      this.kind === 'open' && port === WIREGUARD_PORT ? this.hosts.values() : [this.#inside.get(port)]
    const sent = this.#sent.get(port)
    if (this.kind === 'open' || this.kind === 'full cone') return host
    if (this.kind === 'address restricted')
      return sent?.has(splitAddressPort(from).address) ? host : undefined
    return sent?.has(from) ? host : undefined
  }

  /** NATs that are not symmetric leave its own port to one host. */
  #allot(host: NetworkHost): number {
    if (this.kind !== 'symmetric' && this.hosts.values().next().value === host) return WIREGUARD_PORT
    for (;;) {
      const port = 20_000 + Math.floor(this.#random() * 20_000)
      if (!this.#inside.has(port) || this.#inside.get(port) === host) return port
    }
  }
}

export interface NetworkHost {
  readonly site: Site
  readonly address: Address
}

/** Where a packet turns up, and from where it seems to come. */
export interface Arrival {
  readonly host: NetworkHost
  readonly from: AddressPort
}

/** The sites and what lies between them. No NAT is a hairpin, and private addresses lead nowhere but within a site. */
export class Network {
  readonly #sites = new Map<Address, Site>()

  add(site: Site): void {
    this.#sites.set(site.publicAddress, site)
  }

  /** Sends a packet on its way; the answer is to be asked when it arrives, as filters may have opened by then. */
  send(
    host: NetworkHost,
    to: AddressPort,
  ): { readonly isLocal: boolean; readonly arrive: () => Arrival | undefined } {
    const { address, port } = splitAddressPort(to)
    const neighbour = host.site.isNat ? host.site.hosts.get(address) : undefined
    if (neighbour !== undefined) {
      const from = addressPortOf(host.address, WIREGUARD_PORT)
      return {
        isLocal: true,
        arrive: () => (port === WIREGUARD_PORT ? { host: neighbour, from } : undefined),
      }
    }
    const site =
      isPrivate(address) || address === host.site.publicAddress ? undefined : this.#sites.get(address)
    if (isPrivate(address)) return { isLocal: false, arrive: () => undefined }
    const from = host.site.leave(host, to)
    return {
      isLocal: false,
      arrive: () => {
        const found = site?.enter(port, from)
        return found && { host: found, from }
      },
    }
  }
}

/** Whether two hosts can speak at all: both send to everything that the other is said to have, again and again, without loss. */
export function canConnect(
  network: Network,
  a: NetworkHost,
  b: NetworkHost,
  endpointsOf: (host: NetworkHost) => readonly AddressPort[],
): boolean {
  for (let round = 0; round < 3; round += 1)
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      for (const endpoint of endpointsOf(to)) {
        const arrival = network.send(from, endpoint).arrive()
        if (arrival?.host !== to) continue
        if (network.send(to, arrival.from).arrive()?.host === from) return true
      }
  return false
}
