import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observeCalls } from '../../../discovery/call-observer.ts'
import type { FinishedCall } from '../../../discovery/transport/observe.ts'
import { CallMetrics } from '../../../discovery/web/call-metrics.ts'
import { clusterTag, createLogger } from '../../../shared/log.ts'
import type { Address } from '../../../shared/net/address.ts'

const CLUSTER = 'the id of a cluster, which gives access to it'

const CALL: FinishedCall = {
  method: 'AffiliateUpdate',
  code: 0,
  message: '',
  duration: 1.23456,
  throttled: 0,
  address: '192.0.2.1' as Address,
  clusterId: CLUSTER,
  affiliateId: 'a',
  clientVersion: undefined,
}

function observe(config: { logCalls: boolean; logClusterIds: boolean }): {
  calls: ReturnType<typeof observeCalls>
  lines: string[]
  sum: () => Promise<number>
} {
  const lines: string[] = []
  const metrics = new CallMetrics()
  const calls = observeCalls(
    config,
    createLogger('info', { write: (line: string) => void lines.push(line) }),
    metrics,
  )
  /** Of everything counted, times aside. */
  const sum = async (): Promise<number> => {
    const counters = metrics.metrics.filter(({ type }) => type === 'counter')
    const read = await Promise.all(counters.map((metric) => metric.get()))
    return read.flatMap(({ values }) => values).reduce((total, { value }) => total + value, 0)
  }
  return { calls, lines, sum }
}

test('a line per call says who, what and how it went, and names the cluster by its tag', () => {
  const { calls, lines } = observe({ logCalls: true, logClusterIds: false })
  calls.finished(CALL)
  calls.finished({ ...CALL, code: 3, message: 'affiliate data is too big', clusterId: undefined })
  const [good, bad] = lines.map((line) => JSON.parse(line))
  assert.deepEqual([good.method, good.code, good.duration], ['AffiliateUpdate', 'OK', 1.235])
  assert.deepEqual(
    [good['peer.address'], good.affiliate_id, good.cluster],
    ['192.0.2.1', 'a', clusterTag(CLUSTER)],
  )
  assert.equal('error' in good, false)
  assert.deepEqual(
    [bad.code, bad.error, 'cluster' in bad],
    ['InvalidArgument', 'affiliate data is too big', false],
  )
  assert.equal(lines.join('').includes(CLUSTER), false)
})

test('who asks for it sees cluster ids; who asks for no lines sees none', () => {
  const shown = observe({ logCalls: true, logClusterIds: true })
  shown.calls.finished(CALL)
  assert.equal(JSON.parse(shown.lines[0] ?? '{}').cluster, CLUSTER)
  const quiet = observe({ logCalls: false, logClusterIds: false })
  quiet.calls.finished(CALL)
  assert.deepEqual(quiet.lines, [])
})

test('everything is counted, logged or not', async () => {
  const { calls, sum } = observe({ logCalls: false, logClusterIds: false })
  calls.started('Hello')
  calls.messageReceived('Hello')
  calls.hello('v1.2.3')
  calls.messageSent('Hello', 10)
  calls.finished({ ...CALL, method: 'Hello' })
  assert.equal(await sum(), 15)
})
