import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { type Address, type AddressPort, splitAddressPort } from '../../../shared/net/address.ts'
import type { PublicKey } from '../../model/peer.ts'
import { allow, NO_LOAD, type RaceBudget, type RaceBudgetSettings, type RaceLoad } from './race-budget.ts'
import type { RankedEndpoint } from './rank-endpoints.ts'

export interface CopySettings {
  /** How long each rank waits for the one before: who is answered first wins, so this is what preference means. */
  readonly headStart: Milliseconds
  /**
   * How much later than its kernel the follower of two ends sends. A kernel that takes in an initiation forgets its own, so
   * if two cross, both are lost, and the next ones come only 5 s later.
   */
  readonly lag: Milliseconds
  /** When each candidate is sent the initiation, from its arrival on. More than once, because packets get lost and NATs need both ends. */
  readonly copiesAt: readonly Milliseconds[]
  readonly budget: RaceBudgetSettings
}

export const COPIES: CopySettings = {
  headStart: 20,
  lag: 50,
  copiesAt: [0, 250, 750, 1750],
  budget: {
    packetsPerSecond: 1000,
    burst: 1000,
    vainAfter: 60_000,
    vainPacketsPerSecond: 50,
    // A kernel that finds nobody calls again after 5 s.
    perAddress: { packetsPerSecond: 10, burst: 30, perWin: 8, most: 240, callsPerSecond: 0.2 },
  },
}

/** One peer whose endpoint is a relay of ours: what the kernel sends there is copied to every candidate. */
export interface Race {
  readonly publicKey: PublicKey
  readonly startedAt: Instant
  /** When the kernel was last made to begin, be it anew. */
  readonly begunAt: Instant
  /** Whether this end lets the other one speak first: that with the lower key leads. */
  readonly isFollower: boolean
  readonly ranked: readonly RankedEndpoint[]
  /** When the kernel's latest initiation came; undefined until the first one did. */
  readonly initiationAt: Instant | undefined
  /** Copies of it that are still to be sent, in order of time. */
  readonly pending: readonly PendingCopy[]
  /** How many copies were sent. */
  readonly served: number
  /** What had arrived from the peer when the kernel was last made to begin, and when more than that was first seen. */
  readonly receiveBytes: number
  readonly heardAt: Instant | undefined
  /** How often the kernel was made to begin anew. */
  readonly retries: number
}

interface PendingCopy {
  readonly at: Instant
  readonly endpoint: AddressPort
  readonly address: Address
}

const INITIATION_BYTES = 148
const INITIATION_TYPE = 1

/** WireGuard's first handshake message: nothing else may leave by a relay. */
export const isInitiation = (packet: Uint8Array): boolean =>
  packet.length === INITIATION_BYTES &&
  packet[0] === INITIATION_TYPE &&
  packet.subarray(1, 4).every((reserved) => reserved === 0)

export const startRace = (
  publicKey: PublicKey,
  { ranked, isFollower, receiveBytes }: Pick<Race, 'ranked' | 'isFollower' | 'receiveBytes'>,
  now: Instant,
): Race => ({
  publicKey,
  startedAt: now,
  begunAt: now,
  isFollower,
  ranked,
  initiationAt: undefined,
  pending: [],
  served: 0,
  receiveBytes,
  heardAt: undefined,
  retries: 0,
})

/** The kernel sent an initiation: copies of it replace what is left of the last one's, which its receiver would now refuse. */
export const onInitiation = (race: Race, now: Instant, settings: CopySettings): Race => ({
  ...race,
  initiationAt: now,
  pending: schedule(race.ranked, now + (race.isFollower ? settings.lag : 0), settings),
})

/**
 * Something of the peer has arrived: an initiation, to which our kernel has answered and for which it has forgotten its own. Copies
 * of that would now only disturb the peer.
 */
export const onHeard = (race: Race, now: Instant): Race =>
  race.heardAt === undefined ? { ...race, heardAt: now, pending: [] } : race

/** What is known of the peer changed: new candidates are sent the initiation that is under way, old ones none any more. */
export function reviseRace(
  race: Race,
  ranked: readonly RankedEndpoint[],
  now: Instant,
  settings: CopySettings,
): Race {
  const endpoints = new Set(ranked.map(({ endpoint }) => endpoint))
  const before = new Set(race.ranked.map(({ endpoint }) => endpoint))
  const added = ranked.filter(({ endpoint }) => !before.has(endpoint))
  const pending = race.pending.filter(({ endpoint }) => endpoints.has(endpoint))
  const more = race.initiationAt === undefined ? [] : schedule(added, now, settings)
  return { ...race, ranked, pending: [...pending, ...more].sort(byTime) }
}

export interface DueCopies {
  readonly races: ReadonlyMap<PublicKey, Race>
  readonly budget: RaceBudget
  readonly copies: readonly { readonly publicKey: PublicKey; readonly endpoint: AddressPort }[]
  /** When there is more to send; undefined when nothing waits. */
  readonly nextAt: Instant | undefined
}

/** The copies to send now, the longest due first. What the budgets do not allow waits. */
export function takeCopies(
  races: ReadonlyMap<PublicKey, Race>,
  budget: RaceBudget,
  now: Instant,
  settings: CopySettings,
  load: RaceLoad = NO_LOAD,
): DueCopies {
  const due = [...races.values()].flatMap(({ publicKey, pending, served }) =>
    pending.filter(({ at }) => at <= now).map((copy) => ({ ...copy, copy, publicKey, served })),
  )
  const { allowed, ...left } = allow(due, budget, now, settings.budget, load)

  const sent = Map.groupBy(allowed, ({ publicKey }) => publicKey)
  const after = new Map(
    Array.from(races, ([key, race]) => {
      const copies = new Set(sent.get(key)?.map(({ copy }) => copy))
      if (copies.size === 0) return [key, race]
      const pending = race.pending.filter((copy) => !copies.has(copy))
      return [key, { ...race, pending, served: race.served + copies.size }]
    }),
  )
  const later = Array.from(
    races.values(),
    ({ pending }) => pending.find(({ at }) => at > now)?.at ?? Infinity,
  )
  const next = Math.min(...later, left.nextAt ?? Infinity)
  return {
    races: after,
    budget: left.budget,
    copies: allowed.map(({ publicKey, endpoint }) => ({ publicKey, endpoint })),
    nextAt: Number.isFinite(next) ? next : undefined,
  }
}

const schedule = (
  ranked: readonly RankedEndpoint[],
  from: Instant,
  { headStart, copiesAt }: CopySettings,
): PendingCopy[] => {
  const goals = ranked.map(({ endpoint, rank }) => ({
    endpoint,
    rank,
    address: splitAddressPort(endpoint).address,
  }))
  return copiesAt
    .flatMap((wave) => goals.map(({ rank, ...goal }) => ({ at: from + wave + rank * headStart, ...goal })))
    .sort(byTime)
}

const byTime = (a: PendingCopy, b: PendingCopy): number => a.at - b.at
