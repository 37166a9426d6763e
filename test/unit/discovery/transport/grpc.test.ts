import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server, type OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { IpRate, RATE_LIMITS } from '../../../../discovery/limits/ip-rate.ts'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import type { Store } from '../../../../discovery/store/store.ts'
import { FLUSH_PACING } from '../../../../discovery/subscription/flush.ts'
import { Subscriptions } from '../../../../discovery/subscription/subscriptions.ts'
import { makeFrame } from '../../../../discovery/transport/frames.ts'
import { GrpcService, HTTP2_SETTINGS } from '../../../../discovery/transport/grpc.ts'
import { Handlers } from '../../../../discovery/transport/handlers.ts'
import { Members } from '../../../../discovery/transport/members.ts'
import { statusName } from '../../../../discovery/transport/status.ts'
import type { Refusal } from '../../../../discovery/validation/refusal.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'
import { framed, outcomeOf, RawClient, type RawOutcome } from '../../../support/raw-call.ts'

interface World {
  readonly client: RawClient
  readonly clock: ManualClock
  readonly clusters: Clusters
  readonly subscriptions: Subscriptions
  /** Calls that ended: method, code, and how long they waited. */
  readonly finished: string[]
  readonly counted: string[]
  call(method: string, body: Buffer, headers?: OutgoingHttpHeaders): Promise<RawOutcome>
}

interface Over {
  readonly rate?: IpRate
  readonly redirectEndpoint?: string
  readonly forbidden?: Refusal
  readonly crowded?: Refusal
  /** Every answer of the store waits for this, and is this where it is a refusal. */
  readonly late?: Promise<Refusal | undefined>
}

/** A server with time that stands still, and a client. */
async function start(t: TestContext, over: Over = {}): Promise<World> {
  const clock = new ManualClock()
  const finished: string[] = []
  const counted: string[] = []
  const subscriptions: Subscriptions = new Subscriptions({
    clock,
    pacing: FLUSH_PACING,
    makeFrame,
    affiliatesOf: (clusterId) => clusters.affiliatesOf(clusterId),
    stallLimit: 60_000,
    onFlush: () => {},
    onAbort: (reason) => counted.push(reason),
  })
  const clusters = new Clusters(subscriptions)
  const memory = new MemoryStore(clusters, clock)
  const store = over.late === undefined ? memory : answersLate(memory, over.late)
  const service = new GrpcService({
    handlers: new Handlers({
      store,
      admission: { cluster: () => over.forbidden, keyOf: () => undefined, newCluster: () => over.crowded },
      redirectEndpoint: over.redirectEndpoint ?? '',
      reportClientIp: true,
    }),
    members: new Members({
      wall: () => clock.wall(),
      names: () => ({ given: [], certified: undefined }),
      isOfProxy: () => false,
      listedKey: () => undefined,
      keyOf: (clusterId) => store.keyOf(clusterId),
    }),
    store,
    subscriptions,
    clock,
    rate: over.rate,
    observer: {
      started: (method) => counted.push(`${method} started`),
      messageReceived: () => counted.push('received'),
      messageSent: (_method, bytes) => counted.push(`sent ${bytes}`),
      hello: (version) => counted.push(`hello ${version}`),
      finished: ({ method, code, throttled, clusterId, affiliateId }) =>
        finished.push([method, statusName(code), throttled, clusterId, affiliateId].join(' ').trim()),
    },
    addressOf: (_stream, headers) => headers['x-real-ip'] as Address | undefined,
    other: (path, stream) => {
      if (path !== '/other/Method') return false
      stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true })
      return true
    },
  })
  const server: Http2Server = createServer({ settings: HTTP2_SETTINGS })
  server.on('stream', (stream, ...rest) => {
    stream.on('error', () => {})
    service.handle(stream, ...rest)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = await RawClient.connect(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    client[Symbol.dispose]()
    server.close()
  })
  return {
    client,
    clock,
    clusters,
    subscriptions,
    finished,
    counted,
    call: (method, body, headers) => client.call(method, body, headers),
  }
}

/** A store that has to ask elsewhere. */
const answersLate = (store: Store, late: Promise<Refusal | undefined>): Store => ({
  now: () => store.now(),
  held: (clusterId) => store.held(clusterId),
  update: async (...order) => (await late) ?? (await store.update(...order)),
  delete: async (...order) => (await late) ?? (await store.delete(...order)),
  keyOf: async (clusterId) => (await late) ?? (await store.keyOf(clusterId)),
  list: async (clusterId) => (await late) ?? (await store.list(clusterId)),
  follow: async (clusterId) => (await late) ?? (await store.follow(clusterId)),
})

const field = (number: number, value: string): Buffer =>
  Buffer.concat([Buffer.of((number << 3) | 2, value.length), Buffer.from(value)])
const body = (...values: string[]): Buffer =>
  framed(Buffer.concat(values.map((value, index) => field(index + 1, value))))

const show = ({ httpStatus, grpcStatus, grpcMessage = '' }: RawOutcome): string =>
  grpcStatus === undefined ? `HTTP ${httpStatus}` : `${grpcStatus} ${grpcMessage}`.trim()

/** Waits, without time passing, for what another turn of the event loop brings. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !isSo(); turn += 1) await settle()
  assert.ok(isSo())
}

test('the unary calls', async (t) => {
  const { call, clusters, counted, finished } = await start(t, { redirectEndpoint: 'other.example:443' })
  const hello = await call('Hello', body('c', 'v1.2.3'), { 'x-real-ip': '192.0.2.1' })
  assert.equal(hello.messages[0]?.toString('latin1'), '\n\x13\n\x11other.example:443\x12\x04\xc0\x00\x02\x01')
  await call('AffiliateUpdate', body('c', 'a', 'data', 'endpoint'))
  assert.equal(clusters.affiliatesOf('c').get('a')?.endpoints.length, 1)
  const list = await call('List', body('c'))
  assert.ok(list.messages[0]?.equals(clusters.affiliatesOf('c').get('a')?.encoded ?? Buffer.of()))
  await call('AffiliateDelete', body('c', 'a'))
  assert.equal(clusters.affiliatesOf('c').size, 0)
  assert.deepEqual(finished, [
    'Hello OK 0 c',
    'AffiliateUpdate OK 0 c a',
    'List OK 0 c',
    'AffiliateDelete OK 0 c a',
  ])
  assert.deepEqual(counted.slice(0, 4), ['Hello started', 'received', 'hello v1.2.3', 'sent 32'])
})

const refusals: { over: Over; method?: string; body?: Buffer; want: string }[] = [
  { over: { forbidden: { kind: 'forbidden' } }, want: '7 this service does not serve this cluster' },
  { over: { crowded: { kind: 'crowded', what: 'no room' } }, want: '8 no room' },
  { over: {}, method: 'List', body: body(''), want: "3 cluster ID can't be empty" },
  { over: {}, body: body('c', 'a', 'x'.repeat(100), ''), want: "3 affiliate endpoint can't be empty" },
  {
    over: {},
    method: 'Nothing',
    want: '12 unknown method Nothing for service sidero.discovery.server.Cluster',
  },
  { over: {}, method: '/unknown/Method', want: '12 unknown service unknown' },
  { over: {}, method: '/other', want: '12 malformed method name: "/other"' },
  { over: {}, method: '/other/Method', want: '0' },
]
for (const { over, method = 'AffiliateUpdate', body: bytes = body('c', 'a'), want } of refusals)
  test(`answered with ${want}`, async (t) => {
    const { call } = await start(t, over)
    assert.equal(show(await call(method, bytes)), want)
  })

const odd: { what: string; bytes: Buffer; headers?: OutgoingHttpHeaders; want: string }[] = [
  { what: 'nothing', bytes: Buffer.of(), want: '13 the request ended before its message was complete' },
  {
    what: 'no protobuf',
    bytes: framed(Buffer.of(0xff)),
    want: '13 the request is no valid protobuf message',
  },
  { what: 'compression', bytes: Buffer.of(1, 0, 0, 0, 0), want: '12 compressed messages are not supported' },
  {
    what: 'a bad timeout',
    bytes: body('c'),
    headers: { 'grpc-timeout': '1' },
    want: '13 grpc-timeout is malformed',
  },
  { what: 'a GET', bytes: Buffer.of(), headers: { ':method': 'GET' }, want: 'HTTP 405' },
  { what: 'JSON', bytes: body('c'), headers: { 'content-type': 'application/json' }, want: 'HTTP 415' },
]
for (const { what, bytes, headers, want } of odd)
  test(`${what} is answered with ${want}`, async (t) => {
    const { call } = await start(t)
    assert.equal(show(await call('List', bytes, headers)), want)
  })

test('a hello is counted before it is looked at (SPEC 1.6)', async (t) => {
  const { call, counted, finished } = await start(t)
  assert.match(show(await call('Hello', body('', 'v1.2.3'))), /^3 /)
  assert.ok(counted.includes('hello v1.2.3'))
  assert.match(finished[0] ?? '', /^Hello InvalidArgument/)
})

test('who has no address is not limited (SPEC 1.7)', async (t) => {
  const { call } = await start(t, { rate: new IpRate({ ...RATE_LIMITS, burst: 1, queueMax: 0 }) })
  for (let count = 0; count < 3; count += 1) assert.equal(show(await call('List', body('c'))), '0')
  const headers = { 'x-real-ip': '192.0.2.1' }
  assert.equal(show(await call('List', body('c'), headers)), '0')
  assert.match(show(await call('List', body('c'), headers)), /^8 /)
})

test('a message in pieces is answered when it is complete', async (t) => {
  const { client } = await start(t)
  const stream = client.open('List')
  const outcome = outcomeOf(stream)
  const bytes = body('c')
  stream.write(bytes.subarray(0, 3))
  for (let turn = 0; turn < 20; turn += 1) await settle()
  stream.end(bytes.subarray(3))
  assert.equal(show(await outcome), '0')
})

test('a call waits for its turn, and its waiting is known', async (t) => {
  const { client, clock, finished } = await start(t, {
    rate: new IpRate({ ...RATE_LIMITS, burst: 1, queueMax: 2 }),
  })
  const headers = { 'x-real-ip': '192.0.2.1' }
  const outcomes = Array.from({ length: 4 }, () => client.call('List', body('c'), headers))
  await until(() => finished.length === 2)
  assert.deepEqual([...finished].sort(), ['List OK 0 c', 'List ResourceExhausted 0'])
  await clock.advance(67)
  await until(() => finished.length === 3)
  await clock.advance(67)
  assert.deepEqual((await Promise.all(outcomes)).map(show), [
    '0',
    '0',
    '0',
    '8 rate limit exceeds request timeout',
  ])
  assert.match(finished[3] ?? '', /^List OK 133\.3/)
})

test('a call that is cancelled while it waits gives its turn to others', async (t) => {
  const rate = new IpRate({ ...RATE_LIMITS, burst: 1, queueMax: 1 })
  const { client, clock, finished } = await start(t, { rate })
  const headers = { 'x-real-ip': '192.0.2.1' }
  await client.call('List', body('c'), headers)
  const waiting = client.open('List', headers).end(body('c'))
  waiting.on('error', () => {})
  await until(() => clock.armed === 1)
  waiting.close(8)
  await until(() => finished.length === 2)
  assert.equal(finished[1], 'List Canceled 0')
  assert.equal(clock.armed, 0)
  const next = client.call('List', body('c'), headers)
  await until(() => clock.armed === 1)
  await clock.advance(67)
  assert.equal(show(await next), '0')
})

test('a deadline passes while the message is still to come', async (t) => {
  const { client, clock, finished } = await start(t)
  const stream = client.open('List', { 'grpc-timeout': '5S' })
  const outcome = outcomeOf(stream)
  await until(() => clock.armed === 1)
  assert.equal(finished.length, 0)
  await clock.advance(5000)
  assert.equal(show(await outcome), '4 the deadline of the call has passed')
  assert.equal(clock.armed, 0)
})

test('a deadline costs a call nothing whose message is there', async (t) => {
  const { call, clock } = await start(t)
  assert.equal(show(await call('List', body('c'), { 'grpc-timeout': '5S' })), '0')
  await settle()
  assert.equal(clock.armed, 0)
})

test('a watch: snapshot, changes, and the end of the service', async (t) => {
  const { client, clock, clusters, subscriptions, finished } = await start(t)
  const stream = client.open('Watch').end(body('c'))
  const outcome = outcomeOf(stream)
  await until(() => subscriptions.watchers === 1)
  await clock.advance(0)
  clusters.update('c', 'a', { data: Buffer.from('x'), endpoints: [], expiresAt: 1e9 })
  await clock.advance(100)
  subscriptions.endAll()
  const { grpcStatus, messages } = await outcome
  assert.deepEqual([grpcStatus, messages.length], ['0', 2])
  assert.deepEqual(finished, ['Watch OK 0 c'])
  await until(() => clock.armed === 0)
})

test('a watch ends at its deadline (S19)', async (t) => {
  const { client, clock, subscriptions } = await start(t)
  const outcome = outcomeOf(client.open('Watch', { 'grpc-timeout': '10S' }).end(body('c')))
  await until(() => subscriptions.watchers === 1)
  await clock.advance(10_000)
  assert.equal(show(await outcome), '4 the deadline of the call has passed')
  assert.equal(subscriptions.watchers, 0)
})

test('a watch that the client leaves is over', async (t) => {
  const { client, clock, subscriptions, finished } = await start(t)
  const stream = client.open('Watch', { 'grpc-timeout': '10S' }).end(body('c'))
  stream.on('error', () => {})
  await until(() => subscriptions.watchers === 1)
  stream.close(8)
  await until(() => subscriptions.watchers === 0)
  assert.deepEqual(finished, ['Watch Canceled 0 c'])
  await clock.advance(1)
  assert.equal(clock.armed, 0)
})

test('a watch that nobody reads is cut off', async (t) => {
  const { client, clock, clusters, subscriptions, counted, finished } = await start(t)
  for (let index = 0; index < 100; index += 1)
    clusters.update('c', `a${index}`, { data: Buffer.alloc(2048), endpoints: [], expiresAt: 1e9 })
  const stream = client.open('Watch')
  stream.on('error', () => {})
  stream.end(body('c'))
  await until(() => subscriptions.watchers === 1)
  await clock.advance(0)
  for (let turn = 0; turn < 50; turn += 1) await settle() // the connection takes a window full
  await clock.advance(90_000)
  assert.equal(counted.at(-1), 'stalled')
  assert.deepEqual(finished, ['Watch Aborted 0 c'])
  await clock.advance(5_000)
  await until(() => stream.destroyed)
  assert.equal(clock.armed, 0)
})

test('a message that does not come to its end is not waited for, though the client set no deadline', async (t) => {
  const { client, clock, finished } = await start(t)
  const stream = client.open('List')
  const outcome = outcomeOf(stream)
  stream.write(framed(field(1, 'c')).subarray(0, 6))
  await until(() => clock.armed > 0)
  await clock.advance(10_000)
  assert.equal(show(await outcome), '4 the deadline of the call has passed')
  assert.deepEqual(finished, ['List DeadlineExceeded 0'])
})

test('a store that answers later', async (t) => {
  const late = Promise.withResolvers<undefined>()
  const { call, client, clock, clusters, subscriptions, counted } = await start(t, { late: late.promise })
  const update = call('AffiliateUpdate', body('c', 'a', 'data', 'endpoint'))
  const watch = outcomeOf(client.open('Watch').end(body('c')))
  const left = client.open('Watch').end(body('c'))
  left.on('error', () => {})
  await until(() => counted.filter((each) => each === 'received').length === 3)
  assert.deepEqual([clusters.has('c'), subscriptions.watchers], [false, 0])
  left.close(8)
  late.resolve(undefined)
  assert.equal(show(await update), '0')
  const affiliate = clusters.affiliatesOf('c').get('a')?.encoded ?? Buffer.of()
  assert.ok((await call('List', body('c'))).messages[0]?.equals(affiliate))
  await until(() => subscriptions.watchers === 1)
  await clock.advance(0)
  assert.equal(show(await call('AffiliateDelete', body('c', 'a'))), '0')
  await clock.advance(100)
  subscriptions.endAll()
  assert.equal((await watch).messages.length, 2)
})

test('a cluster that is not served any more when the store answers is not watched', async (t) => {
  const late = Promise.withResolvers<undefined>()
  const over: { forbidden?: Refusal; late: Promise<undefined> } = { late: late.promise }
  const { call, counted } = await start(t, over)
  const watch = call('Watch', body('c'))
  await until(() => counted.includes('received'))
  over.forbidden = { kind: 'forbidden' }
  late.resolve(undefined)
  assert.equal(show(await watch), '7 this service does not serve this cluster')
})

test('nobody begins to watch a service that has stopped meanwhile', async (t) => {
  const late = Promise.withResolvers<undefined>()
  const { call, counted, subscriptions } = await start(t, { late: late.promise })
  const watch = call('Watch', body('c'))
  await until(() => counted.includes('received'))
  subscriptions.endAll()
  late.resolve(undefined)
  const { grpcStatus, messages } = await watch
  assert.deepEqual([grpcStatus, messages.length, subscriptions.watchers], ['0', 0, 0])
})

test('a store that cannot be reached is no fault of the call: it may be made again', async (t) => {
  const { call } = await start(t, { late: Promise.resolve({ kind: 'unavailable' }) })
  for (const method of ['AffiliateUpdate', 'AffiliateDelete', 'List', 'Watch'])
    assert.equal(show(await call(method, body('c', 'a'))), '14 the store of the clusters cannot be reached')
  assert.equal(show(await call('Hello', body('c', 'v1.2.3'))), '0')
})
