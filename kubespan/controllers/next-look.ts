import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { Settings } from '../model/settings.ts'
import { nextDeadline, type RetainedAffiliate } from '../plan/members/retain.ts'
import type { PathsOutcome } from './paths/paths.ts'
import { trialLook } from './paths/step.ts'

export interface NextLookInput {
  readonly timing: Settings['timing']
  /** What was changed on the host causes more. */
  readonly isUnsettled: boolean
  readonly step: Pick<PathsOutcome, 'again' | 'racePort' | 'statuses'>
  readonly retained: readonly RetainedAffiliate[]
  /** What others wait for; undefined when they do not. */
  readonly waits: readonly (Milliseconds | undefined)[]
  readonly now: Instant
}

/** A few passes in a row after changes, so that what a change causes (a new link address, a handshake) is seen at once. */
const SETTLE_LOOK_AFTER: Milliseconds = 100

/** How long after this pass the next one is due if nothing happens. */
export function nextLook({ timing, isUnsettled, step, retained, waits, now }: NextLookInput): Milliseconds {
  const { again = Infinity, racePort, statuses } = step
  return Math.min(
    timing.reconcileEvery,
    isUnsettled ? SETTLE_LOOK_AFTER : Infinity,
    // Races say themselves when a look is worth its cost.
    racePort === undefined ? trialLook(statuses, now) : Infinity,
    again,
    ...waits.map((wait) => wait ?? Infinity),
    Math.max(0, (nextDeadline(retained) ?? Infinity) - now),
  )
}
