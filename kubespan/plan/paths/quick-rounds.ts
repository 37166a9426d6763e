import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { PublicKey } from '../../model/peer.ts'
import { QUICK_ROTATION } from './quick-rotation.ts'
import type { Race } from './race.ts'

/**
 * A firewall on this host may drop the copies of races and let WireGuard's own packets pass. So a race that hears nothing takes its
 * peer off the relay now and then, and lets the kernel itself call each candidate once.
 */
export interface RoundSettings {
  /** How long a race goes unheard since it began, or began anew, before a round. */
  readonly after: Milliseconds
  /** Between the rounds of one peer: it doubles with each up to the cap. */
  readonly rest: Milliseconds
  readonly restCap: Milliseconds
  /** A round has given each candidate its turn after this long, or later where turns would be too short. */
  readonly round: Milliseconds
  readonly shortestTurn: Milliseconds
  readonly concurrent: number
  /**
   * Each turn removes and adds a peer. Where that many rounds were in vain, whoever is not heard is most likely not there; so from
   * then on there is one round at a time, with a pause that doubles up to the cap, until one finds somebody.
   */
  readonly freely: number
  readonly pause: Milliseconds
  readonly pauseCap: Milliseconds
}

export const ROUNDS: RoundSettings = {
  after: 2500,
  ...QUICK_ROTATION,
  // In between the kernel calls a second time, with the cookie that a responder under load may have sent it.
  rest: 7000,
  concurrent: 4,
  freely: 16,
  pause: 1000,
  pauseCap: 60_000,
}

export interface RoundMemory {
  /** Under way: which candidate has its turn, and until when. */
  readonly rounds: ReadonlyMap<PublicKey, { readonly turn: number; readonly until: Instant }>
  /** Of peers that are raced: how many rounds they have had, and when the next one may begin. */
  readonly had: ReadonlyMap<PublicKey, { readonly count: number; readonly nextAt: Instant }>
  /** Rounds since one last found somebody. */
  readonly vain: number
  readonly nextAt: Instant
}

export const NO_ROUNDS: RoundMemory = { rounds: new Map(), had: new Map(), vain: 0, nextAt: 0 }

export interface RoundPlan {
  readonly memory: RoundMemory
  /** To be removed and added with this endpoint; undefined is the relay. */
  readonly writes: readonly { readonly publicKey: PublicKey; readonly endpoint: AddressPort | undefined }[]
  readonly nextAt: Instant | undefined
}

/** `won`: whose race has just ended because they are up. */
export function planRounds(
  races: ReadonlyMap<PublicKey, Race>,
  won: ReadonlySet<PublicKey>,
  memory: RoundMemory,
  now: Instant,
  settings: RoundSettings,
): RoundPlan {
  const rounds = new Map<PublicKey, { readonly turn: number; readonly until: Instant }>()
  const had = new Map([...memory.had].filter(([key]) => races.has(key)))
  const writes: { readonly publicKey: PublicKey; readonly endpoint: AddressPort | undefined }[] = []
  const isFound = (key: PublicKey): boolean => won.has(key) || races.get(key)?.heardAt !== undefined
  let vain = [...memory.rounds.keys()].some(isFound) ? 0 : memory.vain
  let freeAt = vain === 0 ? now : memory.nextAt

  const giveTurn = ({ publicKey, ranked }: Race, turn: number): void => {
    writes.push({ publicKey, endpoint: ranked[turn]?.endpoint })
    const length = Math.max(settings.shortestTurn, settings.round / ranked.length)
    rounds.set(publicKey, { turn, until: now + length })
  }

  for (const [key, round] of memory.rounds) {
    const race = races.get(key)
    if (race === undefined) continue
    const count = had.get(key)?.count ?? 0
    const restUntil = now + doubled(settings.rest, count, settings.restCap)
    // Whoever was heard must not be removed again: the race sees to it.
    if (race.heardAt !== undefined) had.set(key, { count, nextAt: restUntil })
    else if (now < round.until) rounds.set(key, round)
    else if (round.turn + 1 < race.ranked.length) giveTurn(race, round.turn + 1)
    else {
      writes.push({ publicKey: key, endpoint: undefined })
      had.set(key, { count: count + 1, nextAt: restUntil })
      vain += 1
      freeAt =
        vain < settings.freely
          ? now
          : now + doubled(settings.pause, vain - settings.freely, settings.pauseCap)
    }
  }

  const mayBeginAt = ({ publicKey, begunAt }: Race): Instant =>
    Math.max(begunAt + settings.after, had.get(publicKey)?.nextAt ?? 0)
  const waiting = [...races.values()]
    .filter(
      ({ publicKey, initiationAt, heardAt }) =>
        !rounds.has(publicKey) && initiationAt !== undefined && heardAt === undefined,
    )
    .sort(
      (a, b) =>
        (had.get(a.publicKey)?.count ?? 0) - (had.get(b.publicKey)?.count ?? 0) || a.startedAt - b.startedAt,
    )
  const places = vain < settings.freely ? settings.concurrent : 1
  for (const race of waiting)
    if (now >= freeAt && now >= mayBeginAt(race) && rounds.size < places) giveTurn(race, 0)

  const next = Math.min(
    ...Array.from(rounds.values(), ({ until }) => until),
    ...waiting
      .filter(({ publicKey }) => !rounds.has(publicKey) && rounds.size < places)
      .map((race) => Math.max(freeAt, mayBeginAt(race))),
  )
  return {
    memory: { rounds, had, vain, nextAt: freeAt },
    writes,
    nextAt: Number.isFinite(next) ? next : undefined,
  }
}

const doubled = (first: Milliseconds, times: number, cap: Milliseconds): Milliseconds =>
  Math.min(cap, first * 2 ** times)
