import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'

/** Somebody else publishes under our id. */
export interface DoubleSeen {
  readonly at: Instant
  /** What it says of itself. */
  readonly affiliate: Affiliate
}

/** Others see that the record changes hands only if it stands for a moment. */
const ANSWERS_AFTER: Milliseconds = 5_000
/** Two that answer each other at once would never end. */
const ANSWERS_EVERY: Milliseconds = 60_000

/**
 * Watches what is published under our id on one service. Once our record stands there, what replaces it is somebody else's, unless
 * we sealed it ourselves. It is answered by our record, sealed anew, so that the other one learns of us.
 */
export class DoubleWatch {
  readonly #clock: Clock
  readonly #answer: () => void
  #isPublished = false
  #seen: DoubleSeen | undefined
  #answeredAt: Instant = -Infinity
  #alarm: Disposable | undefined

  constructor(clock: Clock, answer: () => void) {
    this.#clock = clock
    this.#answer = answer
  }

  /** A connection begins: whatever stands there may be from another time. */
  begins(): void {
    this.#isPublished = false
  }

  /** The service has taken our record. */
  published(): void {
    this.#isPublished = true
  }

  /** A record under our id that we did not seal. Returns the last one that was another machine's. */
  sees(affiliate: Affiliate): DoubleSeen | undefined {
    if (!this.#isPublished) return this.#seen
    const now = this.#clock.now()
    this.#seen = { at: now, affiliate }
    if (now - this.#answeredAt >= ANSWERS_EVERY) {
      this.#answeredAt = now
      this.end()
      this.#alarm = this.#clock.after(ANSWERS_AFTER, this.#answer)
    }
    return this.#seen
  }

  end(): void {
    this.#alarm?.[Symbol.dispose]()
  }
}
