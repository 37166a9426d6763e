import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import {
  type AllowanceShape,
  allowanceAt,
  FULL_ALLOWANCE,
  spend,
  waitFor,
} from '../../../shared/reconcile/allowance.ts'
import { sleep } from '../../../shared/waiting.ts'
import type { WatchMessage } from './table.ts'
import { UnfitAnswer } from './watch-decoder.ts'

/** Each may cause a pass: ten in any second at most, and four for as long as it goes on. */
export const CHANGES_ALLOWANCE: AllowanceShape = { burst: 6, perSecond: 4 }
/**
 * In affiliates: opening one costs less than 0.1 ms, and a kilobyte less than that. What may come at once is that a thousand nodes start anew,
 * several times.
 */
const WEIGHT_ALLOWANCE: AllowanceShape = { burst: 4096, perSecond: 2000 }
const BYTES_OF_WEIGHT_ONE = 1024
/** Then what comes is so old that it is better to begin anew: a snapshot says it all in one message. */
const BEHIND_MAX: Milliseconds = 10_000

const weightOf = ({ affiliates, size = 0 }: WatchMessage): number =>
  1 + affiliates.length + size / BYTES_OF_WEIGHT_ONE

/**
 * Messages in batches: the first alone, the next ones as they come, and those of a service that goes on and on together, when the
 * allowance is there again. More is not asked for meanwhile, so the sender has to wait.
 *
 * @throws {UnfitAnswer} when it has had to wait for `BEHIND_MAX`
 */
export async function* batches(
  messages: AsyncIterable<WatchMessage>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<readonly WatchMessage[]> {
  const iterator = messages[Symbol.asyncIterator]()
  const ask = (): Promise<IteratorResult<WatchMessage>> => {
    const asked = iterator.next()
    asked.catch(() => {}) // it may fail while nobody waits
    return asked
  }
  try {
    const snapshot = await iterator.next()
    if (snapshot.done) return
    yield [snapshot.value]
    let changes = FULL_ALLOWANCE
    let weights = FULL_ALLOWANCE
    let behindSince: Instant | undefined
    for (let next = ask(); ; ) {
      const first = await next
      if (first.done) return
      next = ask()
      const batch = [first.value]
      let weight = weightOf(first.value)
      const now = clock.now()
      const room = allowanceAt(WEIGHT_ALLOWANCE, weights, now).left
      const wait = Math.max(
        waitFor(CHANGES_ALLOWANCE, changes, 1, now),
        waitFor(WEIGHT_ALLOWANCE, weights, 0, now),
      )
      if (wait > 0) {
        const isReady = sleep(clock, wait, signal)
        while (weight < room) {
          const more = await Promise.race([next.catch(() => undefined), isReady])
          if (more === undefined || more.done) break
          next = ask()
          batch.push(more.value)
          weight += weightOf(more.value)
        }
        await isReady
      }
      yield batch
      behindSince = weight < room ? undefined : (behindSince ?? now)
      if (behindSince !== undefined && clock.now() - behindSince > BEHIND_MAX)
        throw new UnfitAnswer('the service says more than can be read')
      changes = spend(CHANGES_ALLOWANCE, changes, 1, clock.now())
      weights = spend(WEIGHT_ALLOWANCE, weights, weight, clock.now())
    }
  } finally {
    iterator.return?.().catch(() => {})
  }
}
