import type { Instant, Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'

/** Samples are good for so long: clocks run at different speeds, and are set. */
const WINDOW: Milliseconds = 60_000

/**
 * The time of another machine, by what its answers say and the clock here that only runs forward; wall time here plays no
 * part. An answer was made before it came, so the time of the other is never less than the best sample says, and what is
 * told here is never ahead of it.
 */
export class RemoteTime {
  /** What to add to an instant here: the most that any sample of this window said, and of the one before. */
  #offset: number | undefined
  #before: number | undefined
  #windowEnd: Instant = -Infinity

  /** The other's time was `time` when its answer was made, which came at `now`. */
  sample(time: UnixMilliseconds, now: Instant): void {
    if (now >= this.#windowEnd) {
      this.#before = this.#offset
      this.#offset = undefined
      this.#windowEnd = now + WINDOW
    }
    const offset = time - now
    if (this.#offset === undefined || offset > this.#offset) this.#offset = offset
  }

  /** Another machine answers now, or the same after a while. */
  forget(): void {
    this.#before = undefined
    this.#offset = undefined
    this.#windowEnd = -Infinity
  }

  /** Undefined before the first answer. */
  at(now: Instant): UnixMilliseconds | undefined {
    const offset =
      this.#offset === undefined ? this.#before : Math.max(this.#offset, this.#before ?? this.#offset)
    return offset === undefined ? undefined : now + offset
  }
}
