import type { Clock, Milliseconds } from './clock.ts'

/** Waits `delay`, or less when `signal` aborts. */
export async function sleep(clock: Clock, delay: Milliseconds, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const over = Promise.withResolvers<void>()
  using _alarm = clock.after(delay, over.resolve)
  const stop = (): void => over.resolve()
  signal.addEventListener('abort', stop, { once: true })
  await over.promise
  signal.removeEventListener('abort', stop)
}

/**
 * Runs `work` with a signal that aborts with `signal` and also when `limit` is over. Throws then, with `what` in
 * the text, whether or not the work heeds its signal.
 */
export async function within<T>(
  clock: Clock,
  limit: Milliseconds,
  signal: AbortSignal,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timer = new AbortController()
  const timedOut = Promise.withResolvers<never>()
  using _alarm = clock.after(limit, () => {
    timedOut.reject(new Error(`${what} took longer than ${limit / 1000} s`))
    timer.abort()
  })
  const working = work(AbortSignal.any([signal, timer.signal]))
  working.catch(() => {}) // it may fail after the race is decided
  return await Promise.race([working, timedOut.promise])
}
