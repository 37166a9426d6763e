import type { Milliseconds } from '../clock.ts'

export interface BackoffShape {
  readonly initial: Milliseconds
  readonly factor: number
  readonly cap: Milliseconds
  /** 0.5 spreads each delay evenly over 50 % to 150 % of its middle. */
  readonly spread: number
}

/** SPEC 2.3: what clients of the discovery service in the field do between attempts. */
export const CLIENT_BACKOFF: BackoffShape = { initial: 500, factor: 1.5, cap: 60_000, spread: 0.5 }

/**
 * The delay before attempt number `failures` + 1. `random` is a number from 0 (inclusive) to 1 (exclusive);
 * it is handed in so that a test can pin it.
 */
export function backoffDelay(shape: BackoffShape, failures: number, random: number): Milliseconds {
  const middle = Math.min(shape.cap, shape.initial * shape.factor ** Math.max(0, failures - 1))
  return middle * (1 - shape.spread + 2 * shape.spread * random)
}
