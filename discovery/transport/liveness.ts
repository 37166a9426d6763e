import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'

/** An HTTP/2 session, as far as liveness goes. */
export interface Pingable {
  readonly destroyed: boolean
  ping(answered: () => void): boolean
  destroy(): void
}

export interface LivenessOptions {
  /** A session that has sent nothing for so long is pinged. */
  readonly idle: Milliseconds
  /** A session that sends nothing for so long after the ping is gone. */
  readonly answer: Milliseconds
}

/** What a session is spoken over. */
export interface Carrier {
  /** How many bytes have come so far: the cheapest sign of life there is. */
  readonly bytesRead: number
}

interface Watched {
  readonly carrier: Carrier
  bytesSeen: number
  changedAt: Instant
  pingedAt: Instant | undefined
}

const noop = (): void => {}

/**
 * Finds out which sessions lead nowhere any more. One timer for all sessions looks at their byte counters; so an
 * active session costs nothing, and an idle one a ping now and then.
 */
export class Liveness implements Disposable {
  readonly #clock: Clock
  readonly #options: LivenessOptions
  readonly #watched = new Map<Pingable, Watched>()
  #alarm: Disposable | undefined
  #lost = 0

  constructor(clock: Clock, options: LivenessOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** Sessions closed because they did not answer. */
  get lost(): number {
    return this.#lost
  }

  get size(): number {
    return this.#watched.size
  }

  add(session: Pingable, carrier: Carrier): void {
    this.#watched.set(session, {
      carrier,
      bytesSeen: carrier.bytesRead,
      changedAt: this.#clock.now(),
      pingedAt: undefined,
    })
    this.#arm()
  }

  remove(session: Pingable): void {
    this.#watched.delete(session)
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]()
    this.#watched.clear()
  }

  /** Often enough that both limits are kept within a quarter of the shorter one. */
  #arm(): void {
    this.#alarm ??= this.#clock.after(Math.min(this.#options.idle, this.#options.answer) / 4, () => {
      this.#alarm = undefined
      this.#sweep(this.#clock.now())
      if (this.#watched.size > 0) this.#arm()
    })
  }

  #sweep(now: Instant): void {
    for (const [session, watched] of this.#watched) {
      const bytes = watched.carrier.bytesRead
      if (bytes !== watched.bytesSeen) {
        watched.bytesSeen = bytes
        watched.changedAt = now
        watched.pingedAt = undefined
      } else if (watched.pingedAt !== undefined) {
        if (now - watched.pingedAt >= this.#options.answer) this.#giveUp(session)
      } else if (now - watched.changedAt >= this.#options.idle) {
        watched.pingedAt = now
        if (!session.destroyed) session.ping(noop)
      }
    }
  }

  #giveUp(session: Pingable): void {
    this.#watched.delete(session)
    this.#lost += 1
    session.destroy()
  }
}
