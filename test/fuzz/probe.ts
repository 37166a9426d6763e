/**
 * Loaded into the service before it starts (`node --expose-gc --import`), so that a test can ask over IPC what the
 * process holds after a forced collection. The service itself knows nothing of it.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const COLLECTIONS = 3

process.on('message', async (question) => {
  if (question !== 'memory') return
  for (let count = 0; count < COLLECTIONS; count += 1) {
    globalThis.gc?.()
    await sleep(20) // what is finalised frees more
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  process.send?.({ held: heapUsed + external, rss })
})
process.channel?.unref()
