import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import { originOf } from './origin.ts'

export interface RateLimits {
  /** Tokens that a bucket gains. */
  readonly perSecond: number
  /** Tokens that a full bucket holds. */
  readonly burst: number
  /** How many calls of one bucket may wait (SPEC 9, S14). */
  readonly queueMax: number
  /** Whether all of an IPv6 /64, which any one customer has, share a bucket. */
  readonly isIpv6ByNetwork: boolean
}

/** SPEC 1.2. */
export const RATE_LIMITS: RateLimits = { perSecond: 15, burst: 60, queueMax: 1024, isIpv6ByNetwork: true }

export type Admission =
  /** The call may run when this time has passed; 0 is now. */
  { readonly wait: Milliseconds } | { readonly refused: 'queue' | 'deadline' }

const NOW: Admission = { wait: 0 }

/**
 * Token buckets per client address that make calls wait in the order of their arrival (SPEC 1.7). A bucket is one number:
 * the moment at which it will be full again. A call that must wait has taken its token already, so the next one waits
 * longer by itself.
 */
export class IpRate {
  readonly #limits: RateLimits
  readonly #tokenTime: Milliseconds
  readonly #capacityTime: Milliseconds
  readonly #fullAt = new Map<string, Instant>()

  constructor(limits: RateLimits = RATE_LIMITS) {
    this.#limits = limits
    this.#tokenTime = 1000 / limits.perSecond
    this.#capacityTime = this.#tokenTime * limits.burst
  }

  get buckets(): number {
    return this.#fullAt.size
  }

  /** Takes one token. `limit` is how long the call would wait at most; a refused call takes no token. */
  take(address: Address, now: Instant, limit: Milliseconds): Admission {
    const key = this.#keyOf(address)
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now) + this.#tokenTime
    const wait = fullAt - now - this.#capacityTime
    if (wait <= 0) {
      this.#fullAt.set(key, fullAt)
      return NOW
    }
    if (wait > limit) return { refused: 'deadline' }
    if (wait > this.#limits.queueMax * this.#tokenTime) return { refused: 'queue' }
    this.#fullAt.set(key, fullAt)
    return { wait }
  }

  /** Returns the token of a call that was cancelled while it waited. */
  giveBack(address: Address): void {
    const key = this.#keyOf(address)
    const fullAt = this.#fullAt.get(key)
    if (fullAt !== undefined) this.#fullAt.set(key, fullAt - this.#tokenTime)
  }

  /** Forgets buckets that are full again. */
  sweep(now: Instant): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key)
  }

  #keyOf(address: Address): string {
    return this.#limits.isIpv6ByNetwork ? originOf(address) : address
  }
}
