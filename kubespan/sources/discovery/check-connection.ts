import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { sleep, within } from '../../../shared/waiting.ts'
import type { Wake } from '../../../shared/wake.ts'
import { type DiscoveryTransport, RefusedCall } from './transport.ts'

const ANSWER_WITHIN: Milliseconds = 3_000
/** Many paths may seem dead one after the other. */
const CHECK_AGAIN_AFTER: Milliseconds = 10_000

/**
 * Has the service answer a Hello whenever that is wanted, until `signal` aborts. A refusal is an answer.
 *
 * @throws when it does not answer: the connection is dead
 */
export async function checkWhenWanted(
  transport: Pick<DiscoveryTransport, 'hello'>,
  wanted: Wake,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    // What was wanted meanwhile has been answered, or was wanted of another connection.
    wanted.clear()
    await wanted.wait(signal)
    if (signal.aborted) return
    try {
      await within(clock, ANSWER_WITHIN, signal, 'Hello', (limit) => transport.hello(limit))
    } catch (error) {
      if (!(error instanceof RefusedCall)) throw error
    }
    await sleep(clock, CHECK_AGAIN_AFTER, signal)
  }
}
