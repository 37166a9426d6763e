import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallLog } from '../../../discovery/call-log.ts'
import type { FinishedCall } from '../../../discovery/transport/observe.ts'
import { clusterTag, type LogLevel } from '../../../shared/log.ts'
import type { Address } from '../../../shared/net/address.ts'
import { ManualClock } from '../../support/manual-clock.ts'

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

function open(
  showsIds = false,
  level: LogLevel = 'info',
): {
  log: CallLog
  clock: ManualClock
  writes: string[]
  entries: () => object[]
} {
  const writes: string[] = []
  const clock = new ManualClock()
  const log = new CallLog({ clock, level, write: (lines) => void writes.push(lines), showsIds })
  const entries = (): object[] => {
    log.flush()
    return writes
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  return { log, clock, writes, entries }
}

test('a line says who, what and how it went, and names the cluster by its tag', () => {
  const { log, entries } = open()
  log.note(CALL)
  log.note({ ...CALL, method: 'Hello', affiliateId: undefined, clientVersion: 'v1.2.3' })
  assert.deepEqual(entries(), [
    {
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      method: 'AffiliateUpdate',
      duration: 1.235,
      code: 'OK',
      'peer.address': '192.0.2.1',
      cluster: clusterTag(CLUSTER),
      affiliate_id: 'a',
      msg: 'call',
    },
    {
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      method: 'Hello',
      duration: 1.235,
      code: 'OK',
      'peer.address': '192.0.2.1',
      cluster: clusterTag(CLUSTER),
      client_version: 'v1.2.3',
      msg: 'call',
    },
  ])
})

test('a refused call says why, and what was not known is left out', () => {
  const { log, entries } = open()
  const unknown = { address: undefined, clusterId: undefined, affiliateId: undefined }
  log.note({ ...CALL, ...unknown, code: 3, message: 'affiliate data is too "big"' })
  assert.deepEqual(entries(), [
    {
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      method: 'AffiliateUpdate',
      duration: 1.235,
      code: 'InvalidArgument',
      error: 'affiliate data is too "big"',
      msg: 'call',
    },
  ])
})

test('a line bears the level of its log', () => {
  const { log, entries } = open(false, 'debug')
  log.note({ ...CALL, method: 'Health/Check' })
  const [entry] = entries() as [{ level: string; method: string }]
  assert.deepEqual([entry.level, entry.method], ['debug', 'Health/Check'])
})

test('who asks for them sees cluster ids', () => {
  const { log, entries } = open(true)
  log.note(CALL)
  assert.equal((entries()[0] as { cluster: string }).cluster, CLUSTER)
})

test('what clients say cannot break out of its line, nor fill the disk', () => {
  const { log, entries } = open(true)
  const affiliateId = '"}\n{"level":"fatal"'
  log.note({ ...CALL, affiliateId, clusterId: 'x'.repeat(1000), address: 'fe80::1%"' as Address })
  const [entry] = entries() as [{ affiliate_id: string; cluster: string }]
  assert.equal(entry.affiliate_id, affiliateId)
  assert.equal(entry.cluster, 'too long')
})

test('lines are written together: after a while, when there are many, and at the end', async () => {
  const { log, clock, writes } = open()
  log.note(CALL)
  log.note(CALL)
  await clock.advance(249)
  assert.equal(writes.length, 0)
  await clock.advance(1)
  assert.equal(writes.length, 1)
  await clock.advance(1000)
  assert.equal(writes.length, 1)
  for (let count = 0; count < 200; count += 1) log.note({ ...CALL, clusterId: `cluster ${count}` })
  assert.equal(writes.length, 2)
  log[Symbol.dispose]()
  assert.equal(writes.join('').split('\n').length - 1, 202)
  assert.equal(clock.armed, 0)
})

test('the time is that of each call', async () => {
  const { log, clock, entries } = open()
  log.note(CALL)
  for (const pause of [5, 50, 500, 500]) {
    await clock.advance(pause)
    log.note(CALL)
  }
  assert.deepEqual(
    entries().map((entry) => (entry as { time: string }).time.slice(-8)),
    ['00.000Z', '00.005Z', '00.055Z', '00.555Z', '01.055Z'].map((text) => `:${text}`),
  )
})
