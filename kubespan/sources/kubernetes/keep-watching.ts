import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { sleep } from '../../../shared/waiting.ts'
import { ApiError, Redialled, type WatchEvent } from './api.ts'

export interface KeepWatchingOptions<T> {
  readonly clock: Clock
  /** Consecutive failures, and the last of them, to the pause before the next attempt. */
  readonly backoff: (failures: number, error: unknown) => Milliseconds
  /** Reads everything, hands it over, and says from which version on to watch. */
  readonly read: (signal: AbortSignal) => Promise<string>
  readonly watch: (resourceVersion: string, signal: AbortSignal) => Promise<AsyncIterable<WatchEvent<T>>>
  readonly onEvent: (event: WatchEvent<T>) => void
  /** A watch is open. */
  readonly onOpen: () => void
  readonly onFailure: (error: unknown, pause: Milliseconds) => void
}

const GONE = 410
/** A watch that ends sooner has failed, although politely. */
const WATCH_SHORT: Milliseconds = 1000

/**
 * Reads a collection and follows it until `signal` aborts: a watch that ends is continued where it was, one that cannot
 * be continued starts over with reading, and failures are paused after.
 */
export async function keepWatching<T>(options: KeepWatchingOptions<T>, signal: AbortSignal): Promise<void> {
  const { clock, backoff, read, watch, onEvent, onOpen, onFailure } = options
  let version: string | undefined
  for (let failures = 0; !signal.aborted; ) {
    try {
      version ??= await read(signal)
      const events = await watch(version, signal)
      onOpen()
      const openedAt = clock.now()
      for await (const event of events) {
        failures = 0
        if (event.resourceVersion !== '') version = event.resourceVersion
        onEvent(event)
      }
      if (clock.now() - openedAt < WATCH_SHORT) throw new Error('the API server ended the watch at once')
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof Redialled) continue
      if (error instanceof ApiError && error.status === GONE) version = undefined
      failures += 1
      const asked = (error instanceof ApiError && error.retryAfter) || 0
      const pause = Math.max(backoff(failures, error), asked)
      onFailure(error, pause)
      await sleep(clock, pause, signal)
    }
  }
}
