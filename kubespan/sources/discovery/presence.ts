import type { Instant, Milliseconds } from '../../../shared/clock.ts'

/** What the Watch of a service last said of our own record. */
export type Shown =
  /** Nothing yet on this connection. */
  | 'unsaid'
  /** It stands there, as we say it now. */
  | 'ours'
  /** It is not there, or was deleted. */
  | 'missing'
  /** An older one of ours, or nonsense. */
  | 'outdated'
  /** That of another machine with our id: left to the watch over doubles, as two that answer each other at once would never end. */
  | 'foreign'

/** Whether a service has our record, as far as it has shown it: that it took an update means little, since anyone may delete. */
export interface Presence {
  readonly shown: Shown
  readonly isSending: boolean
  /** The service does not want it as it is. */
  readonly isRefused: boolean
  /** When the service last took it. */
  readonly takenAt: Instant
  /** How often it took it since it last showed it, or told a deletion. */
  readonly unshown: number
  /** When it was deleted without our wish, lately. */
  readonly deletions: readonly Instant[]
}

/** A new connection. */
export const NOT_PRESENT: Presence = {
  shown: 'unsaid',
  isSending: false,
  isRefused: false,
  takenAt: -Infinity,
  unshown: 0,
  deletions: [],
}

/** Honest services show within a tenth of it what they took, and somebody who deletes without pause makes us call no oftener. */
const ANSWER_EVERY: Milliseconds = 500
const AGAIN_FIRST: Milliseconds = 1_000
const AGAIN_MAX: Milliseconds = 30_000
/** Then it is no loss on the way any more: 1, 2 and 4 s have passed. */
const UNSHOWN_TOLD = 4
const DELETIONS_WITHIN: Milliseconds = 60_000
const DELETIONS_TOLD = 3
const DELETIONS_MAX = 100

export const sending = (before: Presence): Presence => ({ ...before, isSending: true, isRefused: false })

export const refused = (before: Presence): Presence => ({ ...before, isSending: false, isRefused: true })

export const taken = (before: Presence, now: Instant): Presence => ({
  ...before,
  isSending: false,
  takenAt: now,
  unshown: before.shown === 'ours' ? 0 : before.unshown + 1,
})

/** Our record says something else from now on, which nobody has seen yet. */
export const changed = (before: Presence): Presence =>
  before.shown === 'ours' ? { ...before, shown: 'outdated' } : before

/** After the Watch has said something of our record. `isDeletion`: it was there until now. */
export function shown(before: Presence, what: Shown, isDeletion: boolean, now: Instant): Presence {
  const isDone = what === 'ours' || isDeletion
  const recent = before.deletions.filter((at) => now - at < DELETIONS_WITHIN)
  return {
    ...before,
    shown: what,
    unshown: isDone ? 0 : before.unshown,
    deletions: isDeletion ? [...recent, now].slice(-DELETIONS_MAX) : recent,
  }
}

/** When to publish once more: after 1, 2, 4 … 30 s while it is not shown, at once after a deletion; undefined for no need. */
export function publishAgainIn(
  { shown, isSending, isRefused, takenAt, unshown }: Presence,
  now: Instant,
): Milliseconds | undefined {
  if (isSending || isRefused || (shown !== 'missing' && shown !== 'outdated')) return undefined
  const wait = unshown === 0 ? ANSWER_EVERY : Math.min(AGAIN_MAX, AGAIN_FIRST * 2 ** (unshown - 1))
  return Math.max(0, takenAt + wait - now)
}

/** Why others may not learn of us there although it takes our record; undefined when they do. */
export function describeAbsence(
  { shown, unshown, deletions }: Presence,
  now: Instant,
): { readonly problem: string; readonly isUnpublished: boolean } | undefined {
  if (unshown >= UNSHOWN_TOLD && (shown === 'missing' || shown === 'outdated'))
    return {
      problem: `it does not show our record, which it has taken ${unshown} times`,
      isUnpublished: true,
    }
  const count = deletions.filter((at) => now - at < DELETIONS_WITHIN).length
  return count < DELETIONS_TOLD
    ? undefined
    : {
        problem: `somebody else deletes our record there, ${count} times within a minute: who knows the cluster id can`,
        isUnpublished: false,
      }
}
