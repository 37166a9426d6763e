import type { Clock, Instant } from '../../../shared/clock.ts'
import { type Address, type AddressPort, addressPortOf, parseAddress } from '../../../shared/net/address.ts'
import type { RaceSockets } from '../../host/race-sockets.ts'
import type { PublicKey } from '../../model/peer.ts'
import {
  NO_RACES,
  planRaces,
  RACES,
  type RaceEnd,
  type RaceMemory,
  type RacePeer,
  type RaceSettings,
  type RaceStart,
} from '../../plan/paths/plan-races.ts'
import { isInitiation, onInitiation, takeCopies } from '../../plan/paths/race.ts'
import { earnAt, fullRaceBudget, type RaceBudget } from '../../plan/paths/race-budget.ts'
import { callsOf } from '../../plan/paths/race-turns.ts'

export interface RacerOptions {
  readonly clock: Clock
  readonly sockets: RaceSockets
  readonly settings?: RaceSettings
}

export interface RaceOrders {
  /** To be given to WireGuard: relays for peers whose race begins, real endpoints for those whose race has ended. */
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
  readonly starts: readonly RaceStart[]
  readonly ends: readonly RaceEnd[]
  readonly racing: number
  /** When the latest race began whose peer has not lost one since it was last up; undefined when there is none. */
  readonly freshSince: Instant | undefined
  /** When to plan again even if nothing happens. */
  readonly nextAt: Instant | undefined
}

interface Relay {
  readonly port: number
  /** The kernel's latest initiation. */
  packet: Uint8Array | undefined
  close(): void
}

const KNOCK = Uint8Array.of(0)
/** RFC 863; it would be thrown away even where somebody listens. */
const DISCARD_PORT = 9
const LOOPBACK = parseAddress('127.0.0.1')

/**
 * Runs races: WireGuard is told that a peer is at a relay of ours, and what it sends there is copied to every
 * candidate at once. Who is raced when, and which copy is due, is decided in plan/; here are only sockets and timers.
 */
export class Racer implements AsyncDisposable {
  readonly #options: RacerOptions
  readonly #settings: RaceSettings
  readonly #relays = new Map<PublicKey, Relay>()
  #memory: RaceMemory = NO_RACES
  #budget: RaceBudget
  #calls: ReadonlyMap<Address, number> = new Map()
  #alarm: Disposable | undefined

  constructor(options: RacerOptions) {
    this.#options = options
    this.#settings = options.settings ?? RACES
    this.#budget = fullRaceBudget(this.#settings.budget, options.clock.now())
  }

  async plan(peers: readonly RacePeer[], now: Instant): Promise<RaceOrders> {
    const plan = planRaces(peers, this.#memory, now, this.#settings)
    this.#memory = plan.memory
    this.#calls = callsOf(plan.memory.rests, plan.memory.races)
    this.#budget = earnAt(this.#budget, plan.won, this.#settings.budget, now)
    const endpoints = new Map<PublicKey, AddressPort>()
    for (const { publicKey, endpoint } of plan.ends) {
      this.#relays.get(publicKey)?.close()
      this.#relays.delete(publicKey)
      if (endpoint !== undefined) endpoints.set(publicKey, endpoint)
    }
    for (const { publicKey, endpoint } of plan.starts) {
      const relay = this.#relays.get(publicKey) ?? (await this.#open(publicKey))
      if (endpoint !== undefined) endpoints.set(publicKey, endpoint)
      else if (LOOPBACK !== undefined) endpoints.set(publicKey, addressPortOf(LOOPBACK, relay.port))
    }
    this.#pump()
    return {
      endpoints,
      starts: plan.starts,
      ends: plan.ends,
      racing: plan.memory.races.size,
      freshSince: latestStart(plan.memory),
      nextAt: plan.nextAt,
    }
  }

  /** Forgets these races, so that the next plan begins them once more: what was to begin them was not done. */
  beginAnew(keys: Iterable<PublicKey>): void {
    const races = new Map(this.#memory.races)
    for (const key of keys) races.delete(key)
    this.#memory = { ...this.#memory, races }
  }

  /** Sends a datagram to a port that nobody listens on, which is answered with an error: a poor man's echo. */
  knock(address: Address): void {
    this.#options.sockets.send(KNOCK, addressPortOf(address, DISCARD_PORT))
  }

  /** Whoever is on a relay of ours now, with the best of its real endpoints: what it is to be given when we end. */
  get onRelay(): ReadonlyMap<PublicKey, AddressPort> {
    return new Map(
      [...this.#memory.races.values()].flatMap(({ publicKey, ranked: [best] }) =>
        best === undefined ? [] : [[publicKey, best.endpoint]],
      ),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#alarm?.[Symbol.dispose]()
    for (const relay of this.#relays.values()) relay.close()
    this.#relays.clear()
    await this.#options.sockets[Symbol.asyncDispose]()
  }

  async #open(publicKey: PublicKey): Promise<Relay> {
    const { port, close } = await this.#options.sockets.openRelay((packet) =>
      this.#received(publicKey, packet),
    )
    const relay: Relay = { port, packet: undefined, close }
    this.#relays.set(publicKey, relay)
    return relay
  }

  #received(publicKey: PublicKey, packet: Uint8Array): void {
    const relay = this.#relays.get(publicKey)
    const race = this.#memory.races.get(publicKey)
    if (relay === undefined || race === undefined || !isInitiation(packet)) return
    relay.packet = Buffer.from(packet)
    const races = new Map(this.#memory.races)
    races.set(publicKey, onInitiation(race, this.#options.clock.now(), this.#settings))
    this.#memory = { ...this.#memory, races }
    this.#pump()
  }

  /** Sends the copies that are due, and comes back for the next. */
  #pump(): void {
    const { clock, sockets } = this.#options
    this.#alarm?.[Symbol.dispose]()
    const now = clock.now()
    const { races, budget, copies, nextAt } = takeCopies(
      this.#memory.races,
      this.#budget,
      now,
      this.#settings,
      { calls: this.#calls, vainSince: this.#memory.vainSince },
    )
    this.#memory = { ...this.#memory, races }
    this.#budget = budget
    for (const { publicKey, endpoint } of copies) {
      const packet = this.#relays.get(publicKey)?.packet
      if (packet !== undefined) sockets.send(packet, endpoint)
    }
    this.#alarm =
      nextAt === undefined ? undefined : clock.after(Math.max(0, nextAt - now), () => this.#pump())
  }
}

function latestStart({ races, rests }: RaceMemory): Instant | undefined {
  const latest = Math.max(
    ...Array.from(races.values(), ({ publicKey, startedAt }) =>
      rests.has(publicKey) ? -Infinity : startedAt,
    ),
  )
  return Number.isFinite(latest) ? latest : undefined
}
