import type { Instant } from '../../../shared/clock.ts'

/** A token bucket: how many packets may be sent, over all races together. */
export interface PacketBudget {
  readonly tokens: number
  readonly at: Instant
}

export interface BudgetSettings {
  readonly packetsPerSecond: number
  /** How many may go at once after a rest. */
  readonly burst: number
}

export const fullBudget = ({ burst }: BudgetSettings, now: Instant): PacketBudget => ({
  tokens: burst,
  at: now,
})

/** The bucket as it is now. */
export function refill(budget: PacketBudget, settings: BudgetSettings, now: Instant): PacketBudget {
  const earned = (Math.max(0, now - budget.at) * settings.packetsPerSecond) / 1000
  return { tokens: Math.min(settings.burst, budget.tokens + earned), at: Math.max(now, budget.at) }
}

/** When the bucket will hold a whole token again. */
export function nextTokenAt({ tokens, at }: PacketBudget, { packetsPerSecond }: BudgetSettings): Instant {
  return at + (Math.max(0, 1 - tokens) * 1000) / packetsPerSecond
}
