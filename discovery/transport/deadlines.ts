import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'

/**
 * One and the same time for everybody: who came first is over first, so one timer does for all. A timer for each
 * connection is a hundredth of what the connection costs.
 */
export class Deadlines<K> implements Disposable {
  readonly #clock: Clock
  readonly #limit: Milliseconds
  readonly #onOver: (key: K) => void
  /** In the order in which they are over. */
  readonly #overAt = new Map<K, Instant>()
  #alarm: Disposable | undefined

  constructor(clock: Clock, limit: Milliseconds, onOver: (key: K) => void) {
    this.#clock = clock
    this.#limit = limit
    this.#onOver = onOver
  }

  add(key: K): void {
    this.#overAt.set(key, this.#clock.now() + this.#limit)
    this.#alarm ??= this.#clock.after(this.#limit, this.#look)
  }

  /** It made it in time. Says so as often as it likes. */
  remove(key: K): void {
    this.#overAt.delete(key)
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]()
    this.#alarm = undefined
    this.#overAt.clear()
  }

  readonly #look = (): void => {
    this.#alarm = undefined
    const now = this.#clock.now()
    for (const [key, overAt] of this.#overAt) {
      if (overAt > now) {
        this.#alarm = this.#clock.after(overAt - now, this.#look)
        return
      }
      this.#overAt.delete(key)
      this.#onOver(key)
    }
  }
}
