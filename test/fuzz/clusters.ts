import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterFrame, updateFrame } from '../bench/messages.ts'
import { Session } from '../bench/session.ts'
import type { Abuse } from './abuse.ts'

const ONE_ADDRESS = '192.0.2.1'
const AT_ONCE = 200
const DATA = Buffer.alloc(100, 'x')

/** Brings so many clusters to life from one address; answers how often each status was given. */
export async function makeClusters(session: Session, count: number): Promise<Map<string, number>> {
  const statuses = new Map<string, number>()
  for (let first = 0; first < count; first += AT_ONCE) {
    const answers = await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, index) => {
        const update = { clusterId: `cluster ${first + index}`, affiliateId: 'a', data: DATA, ttlSeconds: 1 }
        return session.call('AffiliateUpdate', updateFrame(update), ONE_ADDRESS)
      }),
    )
    for (const { status = 'none' } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  return statuses
}

export const clusterAbuses: readonly Abuse[] = [
  {
    what: 'very many clusters from one address',
    run: async ({ service, scale }) => {
      const count = 10_000 * scale
      using session = await Session.connect(service.endpoint)
      assert.deepEqual(await makeClusters(session, count), new Map([['0', count]]))
    },
  },
  {
    what: 'watches of clusters that nobody is in',
    run: async ({ service, scale }) => {
      for (let connection = 0; connection < 4 * scale; connection += 1) {
        using session = await Session.connect(service.endpoint)
        for (let watch = 0; watch < 250; watch += 1)
          session.watch(clusterFrame(`nobody ${connection} ${watch}`), ONE_ADDRESS, () => {})
        await sleep(100)
      }
    },
  },
]
