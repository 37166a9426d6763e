import { fullBudget, type PacketBudget } from '../../kubespan/plan/packet-budget.ts'
import { NO_RACES, planRaces, RACES, type RaceMemory } from '../../kubespan/plan/plan-races.ts'
import { onInitiation, takeCopies } from '../../kubespan/plan/race.ts'
import { type RankedEndpoint, rankEndpoints } from '../../kubespan/plan/rank-endpoints.ts'
import type { AddressPort, Prefix } from '../../shared/net/address.ts'
import { linkOf } from './links.ts'
import type { NetworkHost, Timeline } from './simulated-network.ts'

export interface Packet {
  readonly from: string
  readonly to: string
  readonly kind: 'initiation' | 'response' | 'data'
  /** Of the handshake that it belongs to: later ones have higher stamps. */
  readonly stamp: number
}

interface Ranked {
  readonly observed: AddressPort | undefined
  readonly ranked: readonly RankedEndpoint[]
}

type Send = (packet: Packet, to: AddressPort) => void

/** One peer in WireGuard, as far as handshakes and roaming go. */
interface KernelPeer {
  /** Undefined is the relay. */
  endpoint: AddressPort | undefined
  /** The initiation of ours that may still be answered: taking one in forgets it. */
  initiated: number
  /** The newest initiation of the peer: older ones and repetitions are refused. */
  takenIn: number
  /** The handshake of the session in use. */
  session: number
  sentAt: number
  retryUntil: number
  isUp: boolean
}

const NEW_PEER: KernelPeer = {
  endpoint: undefined,
  initiated: 0,
  takenIn: 0,
  session: 0,
  sentAt: Number.NEGATIVE_INFINITY,
  retryUntil: 0,
  isUp: false,
}

const RETRY_EVERY = 5000
const RETRY_JITTER = 333
const GIVE_UP_AFTER = 90_000
const KEEPALIVE_EVERY = 25_000

/** WireGuard's handshake and roaming, with its habit of one handshake state per peer. */
class Kernel {
  readonly peers = new Map<string, KernelPeer>()
  /** In all, whatever was reset. */
  readonly received = new Map<string, number>()
  readonly #node: SimulatedNode
  readonly #send: Send
  #stamps = 0

  constructor(node: SimulatedNode, send: Send) {
    this.#node = node
    this.#send = send
  }

  /** Adds the peer, or removes and adds it, and makes it begin. */
  begin(key: string, reset: boolean, endpoint: AddressPort | undefined): void {
    const { now } = this.#node.timeline
    const peer = (reset ? undefined : this.peers.get(key)) ?? { ...NEW_PEER }
    this.peers.set(key, peer)
    peer.endpoint = endpoint
    peer.retryUntil = now + GIVE_UP_AFTER
    if (now - peer.sentAt >= RETRY_EVERY) this.#initiate(key)
  }

  #initiate(key: string): void {
    const { timeline, random } = this.#node
    const peer = this.peers.get(key)
    if (peer === undefined || peer.isUp || timeline.now >= peer.retryUntil) return
    this.#stamps += 1
    peer.initiated = timeline.now * 1000 + this.#stamps
    peer.sentAt = timeline.now
    const packet: Packet = { from: this.#node.key, to: key, kind: 'initiation', stamp: peer.initiated }
    if (peer.endpoint === undefined) this.#node.onRelay(key, packet)
    else this.#send(packet, peer.endpoint)
    timeline.at(timeline.now + RETRY_EVERY + random() * RETRY_JITTER, () => {
      if (this.peers.get(key) === peer) this.#initiate(key)
    })
  }

  receive(packet: Packet, from: AddressPort): void {
    const peer = this.peers.get(packet.from)
    if (packet.to !== this.#node.key || peer === undefined) return
    const { stamp } = packet
    if (packet.kind === 'initiation') {
      if (stamp <= peer.takenIn) return
      peer.takenIn = stamp
      peer.initiated = 0
    } else if (packet.kind === 'response') {
      if (stamp !== peer.initiated) return
      peer.initiated = 0
      this.#establish(packet.from, peer, stamp)
    } else {
      if (stamp !== peer.takenIn && stamp !== peer.session) return
      this.#establish(packet.from, peer, stamp)
    }
    peer.endpoint = from
    this.received.set(packet.from, (this.received.get(packet.from) ?? 0) + 100)
    const answer = { initiation: 'response', response: 'data', data: undefined } as const
    const kind = answer[packet.kind]
    if (kind !== undefined) this.#send({ from: this.#node.key, to: packet.from, kind, stamp }, from)
  }

  /** A session sends keepalives, the first of which also confirms it to the peer. */
  #establish(key: string, peer: KernelPeer, stamp: number): void {
    if (peer.session === stamp) return
    peer.session = stamp
    peer.isUp = true
    const { timeline } = this.#node
    const keepAlive = (): void => {
      if (this.peers.get(key) !== peer || peer.session !== stamp) return
      if (peer.endpoint !== undefined)
        this.#send({ from: this.#node.key, to: key, kind: 'data', stamp }, peer.endpoint)
      timeline.at(timeline.now + KEEPALIVE_EVERY, keepAlive)
    }
    timeline.at(timeline.now + KEEPALIVE_EVERY, keepAlive)
  }
}

/** One daemon: what the plan says is done to the kernel, what the kernel does goes back into the plan. */
export class SimulatedNode {
  readonly key: string
  readonly host: NetworkHost
  readonly timeline: Timeline
  readonly random: () => number
  readonly kernel: Kernel
  packets = 0
  /** A firewall of its own lets WireGuard's packets out, and no copies of them. */
  dropsCopies = false
  readonly #send: Send
  readonly #known = new Map<string, readonly AddressPort[]>()
  readonly #initiations = new Map<string, Packet>()
  /** Where each peer was last heard. */
  readonly #heard = new Map<string, AddressPort>()
  readonly #received = new Map<string, number>()
  readonly #rankings = new Map<string, Ranked>()
  #memory: RaceMemory = NO_RACES
  #budget: PacketBudget = fullBudget(RACES.budget, 0)
  #nextPass = Number.POSITIVE_INFINITY
  #nextCopies = Number.POSITIVE_INFINITY

  constructor(key: string, host: NetworkHost, timeline: Timeline, random: () => number, send: Send) {
    this.key = key
    this.host = host
    this.timeline = timeline
    this.random = random
    this.#send = send
    this.kernel = new Kernel(this, send)
  }

  /** Learns of a peer. */
  meet(key: string, endpoints: readonly AddressPort[]): void {
    this.#known.set(key, endpoints)
    this.#pass()
  }

  isUp(key: string): boolean {
    return this.kernel.peers.get(key)?.isUp ?? false
  }

  onRelay(key: string, packet: Packet): void {
    const race = this.#memory.races.get(key)
    if (race === undefined) return
    this.#initiations.set(key, packet)
    const races = new Map(this.#memory.races).set(key, onInitiation(race, this.timeline.now, RACES))
    this.#memory = { ...this.#memory, races }
    this.#sendCopies()
  }

  #pass(): void {
    const { now } = this.timeline
    const peers = Array.from(this.#known, ([publicKey, advertised]) => {
      const peer = this.kernel.peers.get(publicKey)
      const receiveBytes = this.kernel.received.get(publicKey) ?? 0
      if (receiveBytes > (this.#received.get(publicKey) ?? 0)) {
        this.#received.set(publicKey, receiveBytes)
        if (peer?.endpoint !== undefined) this.#heard.set(publicKey, peer.endpoint)
      }
      const ranked = this.#rank(publicKey, advertised)
      return {
        publicKey,
        state: this.isUp(publicKey) ? ('up' as const) : ('down' as const),
        ranked,
        isOnRelay: peer?.endpoint === undefined,
        receiveBytes,
        isFollower: this.key > publicKey,
      }
    })
    const plan = planRaces(peers, this.#memory, now, RACES)
    this.#memory = plan.memory
    for (const { publicKey, endpoint } of plan.ends) {
      const peer = this.kernel.peers.get(publicKey)
      if (peer !== undefined && endpoint !== undefined) peer.endpoint = endpoint
    }
    for (const { publicKey, reset, endpoint } of plan.starts) this.kernel.begin(publicKey, reset, endpoint)
    // While somebody is raced WireGuard is looked at often.
    const next = plan.memory.races.size > 0 ? Math.min(now + 100, plan.nextAt ?? now + 100) : plan.nextAt
    this.#sendCopies()
    if (next === undefined) return
    this.#nextPass = next
    this.timeline.at(next, () => {
      if (this.#nextPass === next) this.#pass()
    })
  }

  /** Again only when the peer was heard elsewhere. */
  #rank(key: string, advertised: readonly AddressPort[]): readonly RankedEndpoint[] {
    const observed = this.#heard.get(key)
    const known = this.#rankings.get(key)
    if (known !== undefined && known.observed === observed) return known.ranked
    const { ranked } = rankEndpoints(advertised, {
      links: [linkOf('eth0', [`${this.host.address}/24`])],
      meshSubnet: 'fd00:0:0:2::/64' as Prefix,
      lastWorked: undefined,
      observed,
      preferredRanges: [],
      allowedRanges: [],
      deniedRanges: [],
    })
    this.#rankings.set(key, { observed, ranked })
    return ranked
  }

  #sendCopies(): void {
    const { races, budget, copies, nextAt } = takeCopies(
      this.#memory.races,
      this.#budget,
      this.timeline.now,
      RACES,
    )
    this.#memory = { ...this.#memory, races }
    this.#budget = budget
    for (const { publicKey, endpoint } of copies) {
      const packet = this.#initiations.get(publicKey)
      if (packet === undefined) continue
      this.packets += 1
      if (!this.dropsCopies) this.#send(packet, endpoint)
    }
    if (nextAt === undefined || this.#nextCopies === nextAt) return
    this.#nextCopies = nextAt
    this.timeline.at(nextAt, () => {
      if (this.#nextCopies !== nextAt) return
      this.#nextCopies = Number.POSITIVE_INFINITY
      this.#sendCopies()
    })
  }
}
