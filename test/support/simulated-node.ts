import {
  NO_RACES,
  planRaces,
  RACES,
  type RaceEnd,
  type RaceMemory,
} from '../../kubespan/plan/paths/plan-races.ts'
import { onInitiation, takeCopies } from '../../kubespan/plan/paths/race.ts'
import { earnAt, fullRaceBudget, type RaceBudget } from '../../kubespan/plan/paths/race-budget.ts'
import { callsOf } from '../../kubespan/plan/paths/race-turns.ts'
import { type RankedEndpoint, rankEndpoints } from '../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort, Prefix } from '../../shared/net/address.ts'
import { linkOf } from './links.ts'
import { type Packet, type Send, SimulatedKernel } from './simulated-kernel.ts'
import type { NetworkHost, Timeline } from './simulated-network.ts'

interface Ranked {
  readonly observed: AddressPort | undefined
  readonly ranked: readonly RankedEndpoint[]
}

/** What becomes of a race: a kernel is made to begin anew while it lasts, and it ends. */
export type RaceEvent = 'retried' | RaceEnd['reason']

/** One daemon: what the plan says is done to the kernel, what the kernel does goes back into the plan. */
export class SimulatedNode {
  readonly key: string
  readonly host: NetworkHost
  readonly timeline: Timeline
  readonly random: () => number
  readonly kernel: SimulatedKernel
  packets = 0
  /** A firewall of its own lets WireGuard's packets out, and no copies of them. */
  dropsCopies = false
  onRace: (event: RaceEvent) => void = () => {}
  readonly #send: Send
  readonly #known = new Map<string, readonly AddressPort[]>()
  readonly #initiations = new Map<string, Packet>()
  /** Where each peer was last heard. */
  readonly #heard = new Map<string, AddressPort>()
  readonly #received = new Map<string, number>()
  readonly #rankings = new Map<string, Ranked>()
  #memory: RaceMemory = NO_RACES
  #budget: RaceBudget = fullRaceBudget(RACES.budget, 0)
  #nextPass = Number.POSITIVE_INFINITY
  #nextCopies = Number.POSITIVE_INFINITY

  constructor(key: string, host: NetworkHost, timeline: Timeline, random: () => number, send: Send) {
    this.key = key
    this.host = host
    this.timeline = timeline
    this.random = random
    this.#send = send
    this.kernel = new SimulatedKernel(this, send)
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
        endpoint: peer?.endpoint,
        receiveBytes,
        isFollower: this.key > publicKey,
      }
    })
    const plan = planRaces(peers, this.#memory, now, RACES)
    this.#memory = plan.memory
    this.#budget = earnAt(this.#budget, plan.won, RACES.budget, now)
    for (const { publicKey, endpoint, reason } of plan.ends) {
      this.onRace(reason)
      const peer = this.kernel.peers.get(publicKey)
      if (peer !== undefined && endpoint !== undefined) peer.endpoint = endpoint
    }
    for (const { publicKey, reset, endpoint, isRetry } of plan.starts) {
      if (isRetry) this.onRace('retried')
      this.kernel.begin(publicKey, reset, endpoint)
    }
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
      { calls: callsOf(this.#memory.rests, this.#memory.races), vainSince: this.#memory.vainSince },
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
