import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { AddressPort } from '../../shared/net/address.ts'
import type { PublicKey } from '../model/peer.ts'
import { COPIES, type CopySettings, type Race, reviseRace, startRace } from './race.ts'
import type { RankedEndpoint } from './rank-endpoints.ts'

export interface RaceSettings extends CopySettings {
  readonly concurrentRaces: number
  /** A race that others wait for ends after this long: the kernel has then sent two initiations. */
  readonly turn: Milliseconds
  /** A race that nobody waits for ends when the kernel gives up. */
  readonly longest: Milliseconds
  /** The pause after the first lost race; it doubles with each up to the cap. */
  readonly rest: Milliseconds
  readonly restCap: Milliseconds
}

export const RACES: RaceSettings = {
  ...COPIES,
  concurrentRaces: 64,
  turn: 7000,
  longest: 90_000,
  rest: 1000,
  restCap: 60_000,
}

/** One peer as it stands before the races are planned. */
export interface RacePeer {
  readonly publicKey: PublicKey
  /** `suspect` is a peer with a session that nothing arrives through; `up` is never raced. */
  readonly state: 'up' | 'suspect' | 'down'
  readonly ranked: readonly RankedEndpoint[]
  /** Where WireGuard has it, undefined while that is a relay of ours or nothing. */
  readonly endpoint: AddressPort | undefined
}

/** What is remembered of the races of a peer that lost one. */
interface Rest {
  readonly lost: number
  readonly until: Instant
}

export interface RaceMemory {
  readonly races: ReadonlyMap<PublicKey, Race>
  readonly rests: ReadonlyMap<PublicKey, Rest>
}

export const NO_RACES: RaceMemory = { races: new Map(), rests: new Map() }

export interface RaceStart {
  readonly publicKey: PublicKey
  /**
   * On a live session no handshake can be triggered, so a suspect is removed and added again; of the others the keepalive
   * goes from 0 to its value.
   */
  readonly reset: boolean
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
  const known = new Map(peers.map((peer) => [peer.publicKey, peer]))
  const races = new Map<PublicKey, Race>()
  const rests = new Map([...memory.rests].filter(([key]) => isRaceable(known.get(key))))
  const ends: RaceEnd[] = []
  const lose = (race: Race): void => {
    const lost = (rests.get(race.publicKey)?.lost ?? 0) + 1
    rests.set(race.publicKey, { lost, until: now + restAfter(lost, settings) })
    // While it rests the kernel tries one candidate by itself, each time another.
    const endpoint = race.ranked[(lost - 1) % race.ranked.length]?.endpoint
    ends.push({ publicKey: race.publicKey, reason: 'lost', endpoint })
  }

  for (const race of memory.races.values()) {
    const peer = known.get(race.publicKey)
    if (!isRaceable(peer)) ends.push(endOf(race, peer))
    else if (now - race.startedAt >= settings.longest) lose(race)
    else
      races.set(
        race.publicKey,
        sameEndpoints(race, peer) ? race : reviseRace(race, peer.ranked, now, settings),
      )
  }

  const waiting = peers
    .filter((peer) => isRaceable(peer) && !races.has(peer.publicKey) && isRested(peer, rests, now))
    .sort((a, b) => compareUrgency(a, b, rests))
  for (const race of outOfTurn(races, waiting.length, now, settings)) {
    races.delete(race.publicKey)
    lose(race)
  }
  const starting = waiting.slice(0, Math.max(0, settings.concurrentRaces - races.size))
  for (const { publicKey, ranked } of starting) races.set(publicKey, startRace(publicKey, ranked, now))

  return {
    memory: { races, rests },
    starts: starting.map(({ publicKey, state }) => ({ publicKey, reset: state === 'suspect' })),
    ends,
    nextAt: nextPlan(races, rests, waiting.length > starting.length, now, settings),
  }
}

const isRaceable = (peer: RacePeer | undefined): peer is RacePeer =>
  peer !== undefined && peer.state !== 'up' && peer.ranked.length > 0

function endOf(race: Race, peer: RacePeer | undefined): RaceEnd {
  const { publicKey, ranked } = race
  if (peer === undefined) return { publicKey, reason: 'gone', endpoint: undefined }
  // A relay must not outlive its race, whatever became of the peer.
  const endpoint = peer.endpoint === undefined ? ranked[0]?.endpoint : undefined
  return { publicKey, reason: peer.state === 'up' ? 'up' : 'lost', endpoint }
}

const sameEndpoints = (race: Race, { ranked }: RacePeer): boolean =>
  race.ranked.length === ranked.length &&
  race.ranked.every(
    (one, index) => one.endpoint === ranked[index]?.endpoint && one.rank === ranked[index].rank,
  )

const restAfter = (lost: number, { rest, restCap }: RaceSettings): Milliseconds =>
  Math.min(restCap, rest * 2 ** (lost - 1))

const isRested = ({ publicKey, state }: RacePeer, rests: RaceMemory['rests'], now: Instant): boolean =>
  state === 'suspect' || (rests.get(publicKey)?.until ?? now) <= now

function compareUrgency(a: RacePeer, b: RacePeer, rests: RaceMemory['rests']): number {
  const suspicion = Number(b.state === 'suspect') - Number(a.state === 'suspect')
  const [left, right] = [rests.get(a.publicKey), rests.get(b.publicKey)]
  return suspicion || (left?.lost ?? 0) - (right?.lost ?? 0) || (left?.until ?? 0) - (right?.until ?? 0)
}

/** The longest running races, as many as peers wait without a place and as have had their turn. */
function outOfTurn(
  races: ReadonlyMap<PublicKey, Race>,
  waiting: number,
  now: Instant,
  { concurrentRaces, turn }: RaceSettings,
): readonly Race[] {
  const short = Math.max(0, waiting - (concurrentRaces - races.size))
  return [...races.values()]
    .filter(({ startedAt }) => now - startedAt >= turn)
    .sort((a, b) => a.startedAt - b.startedAt)
    .slice(0, short)
}

function nextPlan(
  races: ReadonlyMap<PublicKey, Race>,
  rests: RaceMemory['rests'],
  someWait: boolean,
  now: Instant,
  { turn, longest }: RaceSettings,
): Instant | undefined {
  const next = Math.min(
    ...Array.from(races.values(), ({ startedAt }) => startedAt + (someWait ? turn : longest)),
    ...Array.from(rests.values(), ({ until }) => until).filter((until) => until > now),
  )
  return Number.isFinite(next) ? next : undefined
}
