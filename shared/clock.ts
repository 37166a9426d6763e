/** A moment on a monotonic clock, in milliseconds since an arbitrary start. Never compare it with wall time. */
export type Instant = number
/** A length of time in milliseconds. */
export type Milliseconds = number
/** A moment of wall time, in milliseconds since 1970. It may jump; only what leaves the process needs it. */
export type UnixMilliseconds = number

/** Only main.ts and tests make one; everyone else is handed it. */
export interface Clock {
  now(): Instant
  wall(): UnixMilliseconds
  /** Calls `wake` once, `delay` from now, unless the handle is disposed of first. */
  after(delay: Milliseconds, wake: () => void): Disposable
}

/** The real clock. Its timers keep the process alive: whoever arms one also disposes of it. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delay, wake) {
    const timer = setTimeout(wake, delay)
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
