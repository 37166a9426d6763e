import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallLog } from '../../../discovery/call-log.ts'
import { observeCalls } from '../../../discovery/call-observer.ts'
import type { FinishedCall } from '../../../discovery/transport/observe.ts'
import { CallMetrics } from '../../../discovery/web/call-metrics.ts'
import type { Address } from '../../../shared/net/address.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const CALL: FinishedCall = {
  method: 'AffiliateUpdate',
  code: 0,
  message: '',
  duration: 1.23456,
  throttled: 0,
  address: '192.0.2.1' as Address,
  clusterId: 'c',
  affiliateId: 'a',
  clientVersion: undefined,
}

test('everything is counted, logged or not', async () => {
  for (const isLogged of [true, false]) {
    const lines: string[] = []
    const metrics = new CallMetrics()
    using log = new CallLog({
      clock: new ManualClock(),
      level: 'info',
      write: (text) => void lines.push(text),
      showsIds: false,
    })
    const calls = observeCalls(metrics, isLogged ? log : undefined)
    calls.started('Hello')
    calls.messageReceived('Hello')
    calls.hello('v1.2.3')
    calls.messageSent('Hello', 10)
    calls.finished({ ...CALL, method: 'Hello' })
    log.flush()
    const counters = metrics.metrics.filter(({ type }) => type === 'counter')
    const read = await Promise.all(counters.map((metric) => metric.get()))
    const sum = read.flatMap(({ values }) => values).reduce((total, { value }) => total + value, 0)
    assert.equal(sum, 15) // 10 of them are bytes
    assert.equal(lines.length, isLogged ? 1 : 0)
  }
})
