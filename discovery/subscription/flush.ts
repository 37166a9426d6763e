import type { Instant, Milliseconds } from '../../shared/clock.ts'

/** When watchers are told. The first change after a quiet time at once; then paced, because every message costs a system call. */
export interface FlushPacing {
  /** At most one flush per cluster in this time. */
  readonly interval: Milliseconds
  /** The pause is at least this many times what the last flush took, so that flushes get a bounded share of the process. */
  readonly costFactor: number
  /** The pause never grows past this. */
  readonly maxInterval: Milliseconds
}

export const FLUSH_PACING: FlushPacing = { interval: 100, costFactor: 50, maxInterval: 500 }

export interface FlushHistory {
  /** -Infinity before the first. */
  readonly lastFlushAt: Instant
  readonly lastFlushCost: Milliseconds
}

/** How long a change noted now waits before it is sent; 0 for at once. */
export function flushDelay(history: FlushHistory, now: Instant, pacing: FlushPacing): Milliseconds {
  const pause = Math.min(
    pacing.maxInterval,
    Math.max(pacing.interval, history.lastFlushCost * pacing.costFactor),
  )
  return Math.max(0, history.lastFlushAt + pause - now)
}
