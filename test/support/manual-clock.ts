import type { Clock, Instant, Milliseconds, UnixMilliseconds } from '../../shared/clock.ts'

/** Time that moves only when the test says so. */
export class ManualClock implements Clock {
  #now: Instant = 0
  /** Wall time at instant 0; change it to make the wall clock jump. */
  epoch: UnixMilliseconds = Date.UTC(2026, 0, 1)
  readonly #alarms = new Set<{ at: Instant; wake: () => void }>()

  now(): Instant {
    return this.#now
  }

  wall(): UnixMilliseconds {
    return this.epoch + this.#now
  }

  after(delay: Milliseconds, wake: () => void): Disposable {
    const alarm = { at: this.#now + Math.max(0, delay), wake }
    this.#alarms.add(alarm)
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) }
  }

  /** How many alarms wait. */
  get armed(): number {
    return this.#alarms.size
  }

  /** Moves time on, fires what falls due in order, and lets the promises it started settle. */
  async advance(by: Milliseconds): Promise<void> {
    const end = this.#now + by
    for (;;) {
      const due = [...this.#alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#alarms.delete(due)
      this.#now = due.at
      due.wake()
      await settle()
    }
    this.#now = end
    await settle()
  }
}

/** Lets everything that is ready to run, run. */
export const settle = (): Promise<void> => new Promise((done) => setImmediate(done))
