import type { Instant, Milliseconds } from '../clock.ts'

/** How much may be done at once, and how much in each second for as long as it goes on. */
export interface AllowanceShape {
  readonly burst: number
  readonly perSecond: number
}

/** What is left of it, and when that was so. Below 0 after more was done than was there: the rest is waited for. */
export interface Allowance {
  readonly left: number
  readonly at: Instant
}

export const FULL_ALLOWANCE: Allowance = { left: Infinity, at: 0 }

export const allowanceAt = (
  { burst, perSecond }: AllowanceShape,
  { left, at }: Allowance,
  now: Instant,
): Allowance => ({
  left: Math.min(burst, left + ((now - at) * perSecond) / 1000),
  at: now,
})

export const spend = (
  shape: AllowanceShape,
  allowance: Allowance,
  amount: number,
  now: Instant,
): Allowance => {
  const { left } = allowanceAt(shape, allowance, now)
  return { left: left - amount, at: now }
}

/** How long until `amount` is there. */
export const waitFor = (
  shape: AllowanceShape,
  allowance: Allowance,
  amount: number,
  now: Instant,
): Milliseconds => {
  const { left } = allowanceAt(shape, allowance, now)
  return Math.max(0, ((amount - left) / shape.perSecond) * 1000)
}
