import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Session } from '../bench/session.ts'
import { ClusterClient } from '../support/cluster-client.ts'
import { IMPATIENT_FLAGS } from './abuse.ts'
import { clusterAbuses, makeClusters } from './clusters.ts'
import { connectionAbuses } from './connections.ts'
import { messageAbuses } from './messages.ts'
import { Random } from './random.ts'
import { type Memory, ProbedService } from './service.ts'

/** `FUZZ_SCALE=20` makes each abuse so many times as long; `FUZZ_SEED` repeats a run. */
const SCALE = Number(process.env.FUZZ_SCALE ?? 1)
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32)

const HEALTHY_LIMIT_MS = 1_000
const GROWTH_MAX = 1.2
/** What was held when an abuse ended may go with the timers of the service: expiry, stalls, calls cut off. */
const SETTLE_LIMIT_MS = 12_000
/** For a service that is abused by a few connections at a time; the long form brings ten times the clusters and more. */
const RSS_CAP_BYTES = (SCALE === 1 ? 300 : 420) * 1024 * 1024

let service: ProbedService
let normal: Memory

const useWell = async (): Promise<number> => {
  const startedAt = performance.now()
  using client = new ClusterClient(service.endpoint, { metadata: { 'x-real-ip': '192.0.2.200' } })
  await client.hello('healthy')
  await client.update({
    clusterId: 'healthy',
    affiliateId: 'a',
    affiliateData: Buffer.from('x'),
    ttl: { seconds: 60n },
  })
  assert.equal((await client.list('healthy')).length, 1)
  return performance.now() - startedAt
}

/** The memory once it is near normal again, or the last that was seen. */
async function settledMemory(): Promise<Memory> {
  const until = performance.now() + SETTLE_LIMIT_MS
  for (;;) {
    const memory = await service.memory()
    if (memory.held <= normal.held * GROWTH_MAX || performance.now() > until) return memory
    await sleep(250)
  }
}

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`

before(async () => {
  process.stdout.write(`FUZZ_SEED=${SEED} FUZZ_SCALE=${SCALE}\n`)
  service = await ProbedService.start(...IMPATIENT_FLAGS)
  for (let count = 0; count < 20; count += 1) await useWell() // what is loaded and compiled once
  await sleep(1_000) // and what only lives for a moment
  normal = await service.memory()
})
after(() => service[Symbol.asyncDispose]())

for (const [index, { what, run }] of [...messageAbuses, ...connectionAbuses, ...clusterAbuses].entries())
  test(`stands: ${what}`, async () => {
    const startedAt = performance.now()
    await run({ service, random: new Random(SEED + index), scale: SCALE })
    const took = await useWell()
    assert.ok(took < HEALTHY_LIMIT_MS, `a healthy client was answered after ${Math.round(took)} ms`)
    const { held } = await settledMemory()
    if (process.env.TEST_VERBOSE)
      process.stdout.write(
        `${what}: ${Math.round(performance.now() - startedAt)} ms, healthy ${Math.round(took)} ms, ` +
          `holds ${mib(held)} (${mib(normal.held)} before), most ${mib(service.rssPeak)}\n`,
      )
    assert.ok(held <= normal.held * GROWTH_MAX, `holds ${mib(held)}, ${mib(normal.held)} before`)
    assert.ok(service.rssPeak < RSS_CAP_BYTES, `had ${mib(service.rssPeak)}`)
    assert.deepEqual(service.complaints, [])
  })

test('one address brings no more clusters to life than it may', async () => {
  await using limited = await ProbedService.start('-rate-limit=0', '-max-clusters-per-address=100')
  using session = await Session.connect(limited.endpoint)
  assert.deepEqual(
    await makeClusters(session, 1_000),
    new Map([
      ['0', 100],
      ['8', 900],
    ]),
  )
})

test('one address that floods the service waits, and nobody else', async () => {
  await using limited = await ProbedService.start('-rate-queue=100')
  using session = await Session.connect(limited.endpoint)
  const flood = makeClusters(session, 200)
  using client = new ClusterClient(limited.endpoint, { metadata: { 'x-real-ip': '192.0.2.200' } })
  const startedAt = performance.now()
  await client.hello('healthy')
  assert.ok(performance.now() - startedAt < HEALTHY_LIMIT_MS)
  session[Symbol.dispose]()
  await flood
  assert.deepEqual(limited.complaints, [])
})
