import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'

const TRY_EVERY_MS = 20
/** Nobody holds it for longer on purpose. Whoever does is not to keep us from starting. */
export const START_LOCK_LIMIT_MS = 2_000

/**
 * Held by one process at a time while it looks whether another one has the socket and takes it if not. An abstract
 * socket: the kernel gives it back however its holder ends, and it is one for the whole network that we work on.
 */
export async function takeStartLock(name: string): Promise<AsyncDisposable> {
  const deadline = performance.now() + START_LOCK_LIMIT_MS
  for (;;) {
    const server = createServer()
    const isOurs = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(`\0openspan ${name}`, () => resolve(true))
    })
    if (isOurs || performance.now() > deadline)
      return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
    await setTimeout(TRY_EVERY_MS)
  }
}
