import type { Instant, Milliseconds } from '../../shared/clock.ts'
import { TTL_MAX_MS } from '../validation/limits.ts'

export interface Start {
  readonly at: Instant
  /** Whether a snapshot was read to its end. */
  readonly isRestored: boolean
}

const LONGEST_TTL: Milliseconds = TTL_MAX_MS

/**
 * Whether the state can be taken for complete: it was restored, or the longest time is over after which every node that
 * lives must have announced itself again.
 */
export const isWarm = ({ at, isRestored }: Start, now: Instant): boolean =>
  isRestored || now - at >= LONGEST_TTL
