/**
 * What a lab looks like, as a value: hosts on the wan or behind a NAT, private LANs between hosts, and on request a
 * pod in each host. Every lab also has the wan itself (one router) and one server on it, the "internet".
 */
export interface Topology {
  readonly hosts: readonly HostSpec[]
  readonly nats: readonly NatSpec[]
  readonly lans: readonly LanSpec[]
}

export type Family = 4 | 6

export interface HostSpec {
  readonly name: string
  /** `wan` for a public host, else the name of the NAT it stands behind. */
  readonly network: string
  /** Address families on the uplink; a NAT without IPv6 leaves its hosts IPv4 only. */
  readonly families: readonly Family[]
  /** Whether the host has a pod subnet with one pod in it. */
  readonly pod: boolean
  /** Reverse path filter of every interface: 0 off, 1 strict, 2 loose. */
  readonly rpFilter: 0 | 1 | 2
}

/**
 * How a NAT answers to a host that reuses one local port for many targets (RFC 4787):
 * `port-restricted`: same mapping for all targets, lets in only what was written to before;
 * `full-cone`: same mapping for all targets, lets in everybody;
 * `symmetric`: another mapping for every target, so that nobody can foretell the next one.
 */
export type NatKind = 'port-restricted' | 'full-cone' | 'symmetric'

export interface NatSpec {
  readonly name: string
  readonly kind: NatKind
  /** Whether hosts behind it have global IPv6 addresses, behind a stateful firewall. */
  readonly v6: boolean
}

export interface LanSpec {
  readonly name: string
  readonly hosts: readonly string[]
}

export const WAN = 'wan'
export const INTERNET = 'inet'

type HostOptions = Partial<Omit<HostSpec, 'name' | 'network'>>

/** Each has a network with its number in one byte; some numbers are left for later moves. */
const MAX_ON_WAN = 220

export const publicHost = (name: string, options: HostOptions = {}): HostSpec => behind(WAN, name, options)

export const behind = (network: string, name: string, options: HostOptions = {}): HostSpec => ({
  name,
  network,
  families: [4, 6],
  pod: false,
  rpFilter: 0,
  ...options,
})

export const nat = (name: string, kind: NatKind, options: { readonly v6?: boolean } = {}): NatSpec => ({
  name,
  kind,
  v6: options.v6 ?? false,
})

export const lan = (name: string, ...hosts: string[]): LanSpec => ({ name, hosts })

/** Puts a topology together. Throws on a name that is used twice, unusable, or unknown. */
export function topology(parts: Partial<Topology>): Topology {
  const { hosts = [], nats = [], lans = [] } = parts
  const names = new Set([WAN, INTERNET])
  for (const { name } of [...hosts, ...nats, ...lans]) {
    // Names become namespaces and, in part, interfaces.
    if (!/^[a-z][a-z0-9]{0,11}$/.test(name)) throw new RangeError(`${name}: not a short lower-case name`)
    if (names.has(name)) throw new RangeError(`${name}: used twice`)
    names.add(name)
  }
  if (hosts.length + nats.length > MAX_ON_WAN) throw new RangeError(`more than ${MAX_ON_WAN} hosts and NATs`)
  for (const host of hosts)
    if (host.network !== WAN && !nats.some(({ name }) => name === host.network))
      throw new RangeError(`${host.name}: no NAT is called ${host.network}`)
  for (const { name, hosts: members } of lans)
    for (const member of members)
      if (!hosts.some((host) => host.name === member))
        throw new RangeError(`${name}: no host is called ${member}`)
  return { hosts, nats, lans }
}

/** Why two hosts of a topology cannot exchange UDP whatever they try; undefined when they can. */
export function whyUnreachable(topology: Topology, a: HostSpec, b: HostSpec): string | undefined {
  const shared = (host: HostSpec): boolean =>
    (a.network !== WAN && host.network === a.network) ||
    topology.lans.some(({ hosts }) => hosts.includes(a.name) && hosts.includes(host.name))
  if (shared(b)) return undefined
  const [natA, natB] = [a, b].map((host) => topology.nats.find(({ name }) => name === host.network))
  const has = (host: HostSpec, nat: NatSpec | undefined, family: Family): boolean =>
    host.families.includes(family) && (family === 4 || nat === undefined || nat.v6)
  // A stateful IPv6 firewall keeps the port, so both sides can open it by writing first.
  if (has(a, natA, 6) && has(b, natB, 6)) return undefined
  if (!has(a, natA, 4) || !has(b, natB, 4)) return 'no address family in common'
  if (natA === undefined || natB === undefined) return undefined
  const kinds = [natA.kind, natB.kind].sort()
  if (kinds.includes('full-cone') || !kinds.includes('symmetric')) return undefined
  return kinds[0] === kinds[1] ? 'both behind symmetric NATs' : `${kinds[1]} NAT against a ${kinds[0]} one`
}
