import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startService } from '../../support/discovery-service.ts'
import { freePort } from '../../support/free-port.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { framed, RawClient } from '../../support/raw-call.ts'

/** Fields 1 and 2 of a request. */
const request = (...ids: string[]): Buffer =>
  framed(
    Buffer.concat(
      ids.map((id, index) => Buffer.concat([Buffer.of(((index + 1) << 3) | 2, id.length), Buffer.from(id)])),
    ),
  )

/** A day, so that the service lives through the test with time standing still. */
const LONG = ['-gc-interval=24h', '-snapshot-interval=24h', '-header-timeout=24h']

const callOf = ({ msg }: Readonly<Record<string, unknown>>): boolean => msg === 'call'

test('it serves, logs, collects and keeps what it knows', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'service-'))
  const path = join(directory, 'state.binpb')
  const kept = ['-snapshots-enabled=true', `-snapshot-path=${path}`, ...LONG]
  const clock = new ManualClock()
  const first = await startService(kept, clock)
  {
    using client = await RawClient.connect(first.endpoint)
    const update = Buffer.concat([request('cluster', 'node').subarray(5), Buffer.from([0x2a, 3, 8, 0xd8, 4])])
    assert.equal((await client.call('AffiliateUpdate', framed(update))).grpcStatus, '0')
    assert.equal((await client.call('/grpc.health.v1.Health/Check', framed(Buffer.of()))).grpcStatus, '0')
  }
  await first[Symbol.asyncDispose]()
  assert.ok((await stat(path)).size > 0)
  assert.deepEqual(
    first.log.filter(callOf).map(({ level, method }) => `${level} ${method}`),
    ['debug Health/Check', 'info AffiliateUpdate'],
  )
  assert.equal(JSON.stringify(first.log).includes('"cluster":"cluster"'), false)
  assert.equal(clock.armed, 0)

  const second = await startService(kept, clock)
  {
    using client = await RawClient.connect(second.endpoint)
    const { messages } = await client.call('List', request('cluster'))
    assert.ok(messages[0]?.includes('node'))
    await clock.advance(24 * 3_600_000)
    assert.equal((await client.call('List', request('cluster'))).messages[0]?.length, 0)
    assert.ok(second.log.some(({ msg }) => msg === 'expired affiliates removed'))
  }
  await second[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

test('the first collection is at the start (SPEC 1.4)', async () => {
  const metrics = `127.0.0.1:${await freePort()}`
  await using _started = await startService([`-metrics-addr=${metrics}`, ...LONG], new ManualClock())
  const text = await (await fetch(`http://${metrics}/metrics`)).text()
  assert.match(text, /^discovery_state_gc_runs_total 1$/m)
})

test('pages are not limited, and any method gets them (SPEC 1.7, 1.9)', async () => {
  await using started = await startService(
    ['-rate-limit=1', '-rate-burst=1', '-rate-queue=0', ...LONG],
    new ManualClock(),
  )
  for (const method of ['GET', 'POST', 'PUT', 'GET'])
    assert.equal((await fetch(`http://${started.endpoint}/inspect?clusterID=c`, { method })).status, 200)
  using client = await RawClient.connect(started.endpoint)
  assert.equal((await client.call('List', request('c'))).grpcStatus, '0')
  assert.equal((await client.call('List', request('c'))).grpcStatus, '8')
})

test('a forwarded address is believed, a rate is kept, or neither', async () => {
  for (const [flags, want] of [
    [[], 'c0000201'],
    [['-rate-limit=0', '-trusted-proxies=192.0.2.0/24'], '7f000001'],
    [['-report-client-ip=false', '-log-calls=false'], ''],
  ] as const) {
    const clock = new ManualClock()
    await using started = await startService([...LONG, ...flags], clock)
    using client = await RawClient.connect(started.endpoint)
    const { messages } = await client.call('Hello', request('c', 'v1.0.0'), { 'x-real-ip': '192.0.2.1' })
    assert.equal(messages[0]?.subarray(2).toString('hex'), want)
  }
})

test('what cannot start leaves nothing behind', async () => {
  const clock = new ManualClock()
  await using other = await startService(LONG, clock)
  const { armed } = clock
  await assert.rejects(startService([...LONG, `-addr=${other.endpoint}`], clock), /EADDRINUSE/)
  await assert.rejects(
    startService([...LONG, '-certificate-path=/nowhere', '-key-path=/nowhere'], clock),
    /ENOENT/,
  )
  await assert.rejects(
    startService([...LONG, '-key-path=/nowhere'], clock),
    /^Error: -certificate-path: is needed/,
  )
  assert.equal(clock.armed, armed)
})
