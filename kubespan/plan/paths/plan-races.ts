import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { type Address, type AddressPort, splitAddressPort } from '../../../shared/net/address.ts'
import type { PublicKey } from '../../model/peer.ts'
import { NO_ROUNDS, planRounds, ROUNDS, type RoundMemory, type RoundSettings } from './quick-rounds.ts'
import { COPIES, type CopySettings, onHeard, type Race, reviseRace, startRace } from './race.ts'
import { candidatesFor } from './race-candidates.ts'
import { compareUrgency, isRested, outOfTurn, type Rest, restAfter, type TurnSettings } from './race-turns.ts'
import type { RankedEndpoint } from './rank-endpoints.ts'

export interface RaceSettings extends CopySettings, TurnSettings {
  /** A race that nobody waits for ends when the kernel gives up. */
  readonly longest: Milliseconds
  /**
   * How long after a peer was heard its session may take, until the kernel is made to begin anew: initiations that crossed and
   * answers that were lost. The follower is more patient, so that the two do not cross again. It
   * doubles with each retry: what was heard may come by a path that works one way only.
   */
  readonly sessionWithin: Milliseconds
  readonly followerSessionWithin: Milliseconds
  readonly rounds: RoundSettings
}

export const RACES: RaceSettings = {
  ...COPIES,
  concurrentRaces: 64,
  turn: 7000,
  longest: 90_000,
  sessionWithin: 300,
  followerSessionWithin: 700,
  rounds: ROUNDS,
  rest: 1000,
  restCap: 60_000,
}

/** One peer as it stands before the races are planned. */
export interface RacePeer {
  readonly publicKey: PublicKey
  /** `suspect` is a peer with a session that nothing arrives through; `up` is never raced. */
  readonly state: 'up' | 'suspect' | 'down'
  readonly ranked: readonly RankedEndpoint[]
  /** Where WireGuard calls it, or heard it; undefined is a relay of ours, or nowhere. */
  readonly endpoint: AddressPort | undefined
  /** In all, whatever was reset. */
  readonly receiveBytes: number
  /** Whether our public key is the higher one of the two. */
  readonly isFollower: boolean
}

export interface RaceMemory {
  readonly races: ReadonlyMap<PublicKey, Race>
  readonly rests: ReadonlyMap<PublicKey, Rest>
  readonly rounds: RoundMemory
  /** Since when races are run and nobody has come up; undefined while nobody is raced or rests. */
  readonly vainSince: Instant | undefined
}

export const NO_RACES: RaceMemory = {
  races: new Map(),
  rests: new Map(),
  rounds: NO_ROUNDS,
  vainSince: undefined,
}

export interface RaceStart {
  readonly publicKey: PublicKey
  /** A race that is already under way, whose kernel side is to begin anew. */
  readonly isRetry: boolean
  /**
   * On a live session no handshake can be triggered, and after an initiation none for 5 s, so suspects and
   * retries are removed and added again; of the others the keepalive goes from 0 to its value.
   */
  readonly reset: boolean
  /** Where the kernel is to begin; undefined is the relay. */
  readonly endpoint?: AddressPort | undefined
}

export interface RaceEnd {
  readonly publicKey: PublicKey
  readonly reason: 'up' | 'lost' | 'gone'
  /** To be written in place of the relay; undefined when the kernel has found the way itself, or the peer is gone. */
  readonly endpoint: AddressPort | undefined
}

export interface RacePlan {
  readonly memory: RaceMemory
  readonly starts: readonly RaceStart[]
  readonly ends: readonly RaceEnd[]
  /** Where peers came up that were raced. */
  readonly won: readonly Address[]
  /** When to plan again even if nothing happens; undefined when nobody races or rests. */
  readonly nextAt: Instant | undefined
}

/**
 * Who is raced: every peer that is not up and has somewhere to be looked for, but only so many at a time. Suspects go
 * first, then who lost least often, then who rested longest.
 */
export function planRaces(
  peers: readonly RacePeer[],
  memory: RaceMemory,
  now: Instant,
  settings: RaceSettings,
): RacePlan {
  const known = new Map(peers.map((peer) => [peer.publicKey, withCandidates(peer, memory.rests)]))
  const races = new Map<PublicKey, Race>()
  const rests = new Map([...memory.rests].filter(([key]) => isRaceable(known.get(key))))
  const starts: RaceStart[] = []
  const ends: RaceEnd[] = []
  const lose = (race: Race): void => {
    const lost = (rests.get(race.publicKey)?.lost ?? 0) + 1
    // While it rests the kernel tries one candidate by itself, each time another.
    const endpoint = race.ranked[(lost - 1) % race.ranked.length]?.endpoint
    rests.set(race.publicKey, { lost, until: now + restAfter(lost, settings), endpoint })
    ends.push({ publicKey: race.publicKey, reason: 'lost', endpoint })
  }

  for (const race of memory.races.values()) {
    const peer = known.get(race.publicKey)
    if (!isRaceable(peer)) ends.push(endOf(race, peer))
    else if (now - race.startedAt >= settings.longest) lose(race)
    else {
      const followed = follow(race, peer, now, settings)
      const isRetry = retryAt(followed, settings) <= now
      if (isRetry)
        starts.push({
          publicKey: race.publicKey,
          isRetry,
          reset: true,
          endpoint: beginsAgainAt(followed, peer, memory.rounds),
        })
      races.set(race.publicKey, isRetry ? retry(followed, peer, now) : followed)
    }
  }

  const waiting = [...known.values()]
    .filter((peer) => isRaceable(peer) && !races.has(peer.publicKey) && isRested(peer, rests, now))
    .sort((a, b) => compareUrgency(a, b, rests))
  for (const race of outOfTurn(races, waiting.length, now, settings)) {
    races.delete(race.publicKey)
    lose(race)
  }
  const starting = waiting.slice(0, Math.max(0, settings.concurrentRaces - races.size))
  for (const peer of starting) {
    races.set(peer.publicKey, startRace(peer.publicKey, peer, now))
    starts.push({ publicKey: peer.publicKey, isRetry: false, reset: peer.state === 'suspect' })
  }

  const won = new Set(ends.flatMap(({ publicKey, reason }) => (reason === 'up' ? [publicKey] : [])))
  const rounds = planRounds(races, won, memory.rounds, now, settings.rounds)
  const vainSince =
    races.size === 0 && rests.size === 0 ? undefined : won.size > 0 ? now : (memory.vainSince ?? now)
  const turns = rounds.writes.map((turn) => ({ ...turn, isRetry: true, reset: true }))
  return {
    memory: { races, rests, rounds: rounds.memory, vainSince },
    won: [...won].flatMap((key) => addressOf(known.get(key))),
    starts: [...starts.filter(({ publicKey }) => races.has(publicKey)), ...turns],
    ends,
    nextAt: earliest(nextPlan(races, rests, waiting.length > starting.length, now, settings), rounds.nextAt),
  }
}

const earliest = (one: Instant | undefined, other: Instant | undefined): Instant | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)

const withCandidates = (peer: RacePeer, rests: RaceMemory['rests']): RacePeer => {
  const ranked = candidatesFor(peer.ranked, rests.get(peer.publicKey)?.lost ?? 0)
  return ranked === peer.ranked ? peer : { ...peer, ranked }
}

const addressOf = (peer: RacePeer | undefined): readonly Address[] =>
  peer?.endpoint === undefined ? [] : [splitAddressPort(peer.endpoint).address]

const isRaceable = (peer: RacePeer | undefined): peer is RacePeer =>
  peer !== undefined && peer.state !== 'up' && peer.ranked.length > 0

function endOf(race: Race, peer: RacePeer | undefined): RaceEnd {
  const { publicKey, ranked } = race
  if (peer === undefined) return { publicKey, reason: 'gone', endpoint: undefined }
  // A relay must not outlive its race, whatever became of the peer.
  const endpoint = peer.endpoint === undefined ? ranked[0]?.endpoint : undefined
  return { publicKey, reason: peer.state === 'up' ? 'up' : 'lost', endpoint }
}

/** Brings what was learned of the peer into its race. */
function follow(race: Race, peer: RacePeer, now: Instant, settings: RaceSettings): Race {
  const revised = sameEndpoints(race, peer) ? race : reviseRace(race, peer.ranked, now, settings)
  return peer.receiveBytes > race.receiveBytes ? onHeard(revised, now) : revised
}

const retryAt = ({ heardAt, isFollower, retries }: Race, settings: RaceSettings): Instant =>
  (heardAt ?? Number.POSITIVE_INFINITY) +
  (isFollower ? settings.followerSessionWithin : settings.sessionWithin) * 2 ** retries

const retry = (race: Race, { receiveBytes }: RacePeer, now: Instant): Race => ({
  ...race,
  begunAt: now,
  receiveBytes,
  heardAt: undefined,
  retries: race.retries + 1,
})

/**
 * Where the copies of races are dropped a relay leads nowhere, and the peer was heard because one of the two called the other: so
 * WireGuard calls it there once more. Every other time it is the relay all the same, as a path may work one way only.
 */
const beginsAgainAt = ({ publicKey, retries }: Race, { endpoint }: RacePeer, rounds: RoundMemory) =>
  retries % 2 === 0 && rounds.had.has(publicKey) ? endpoint : undefined

const sameEndpoints = (race: Race, { ranked }: RacePeer): boolean =>
  race.ranked.length === ranked.length &&
  race.ranked.every(
    (one, index) => one.endpoint === ranked[index]?.endpoint && one.rank === ranked[index].rank,
  )

function nextPlan(
  races: ReadonlyMap<PublicKey, Race>,
  rests: RaceMemory['rests'],
  someWait: boolean,
  now: Instant,
  settings: RaceSettings,
): Instant | undefined {
  const next = Math.min(
    ...Array.from(races.values(), (race) =>
      Math.min(race.startedAt + (someWait ? settings.turn : settings.longest), retryAt(race, settings)),
    ),
    ...Array.from(rests.values(), ({ until }) => until).filter((until) => until > now),
  )
  return Number.isFinite(next) ? next : undefined
}
