import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect, createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { IpRate, RATE_LIMITS } from '../../../../discovery/limits/ip-rate.ts'
import { frameMessage } from '../../../../discovery/transport/frames.ts'
import { HealthService } from '../../../../discovery/transport/health.ts'
import { HealthCheckRequestSchema, HealthCheckResponseSchema } from '../../../../proto/gen/health_pb.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

interface World {
  readonly health: HealthService
  readonly clock: ManualClock
  readonly rate: IpRate
  /** What was told of calls, in short. */
  readonly told: string[]
  /** Without a message the question is never complete. */
  readonly ask: (method: string, message?: Uint8Array) => ClientHttp2Stream
}

const ADDRESS = '192.0.2.1' as Address

async function withServer(run: (world: World) => Promise<void>, timeout = Infinity): Promise<void> {
  const clock = new ManualClock()
  const rate = new IpRate({ ...RATE_LIMITS, burst: 4 })
  const told: string[] = []
  const health = new HealthService({
    clock,
    rate,
    observer: {
      started: (method) => told.push(`${method} started`),
      messageReceived: (method) => told.push(`${method} received`),
      messageSent: (method, bytes) => told.push(`${method} sent ${bytes}`),
      finished: ({ method, code, address }) => told.push(`${method} finished ${code} ${address}`),
    },
  })
  const server: Http2Server = createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (!health.handle(headers[':path'] ?? '', stream, { address: ADDRESS, timeout }))
      stream.respond({ ':status': 404 }, { endStream: true })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await run({
    health,
    clock,
    rate,
    told,
    ask: (method, message) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': `/grpc.health.v1.Health/${method}`,
        'content-type': 'application/grpc',
      })
      return message === undefined ? stream : stream.end(message)
    },
  })
  session.destroy()
  server.close()
}

const request = (service: string): Uint8Array =>
  frameMessage(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service })))

/** Status of the call, and the statuses in its messages. */
async function outcome(stream: ClientHttp2Stream): Promise<{ code: string | undefined; statuses: number[] }> {
  let code: string | undefined
  for (const event of ['response', 'trailers'])
    stream.on(event, (headers) => {
      code = headers['grpc-status'] ?? code
    })
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const statuses: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    statuses.push(fromBinary(HealthCheckResponseSchema, bytes.subarray(at + 5, end)).status)
    at = end
  }
  return { code, statuses }
}

test('Check: serving, not serving at the end, and no such service', () =>
  withServer(async ({ health, ask }) => {
    for (const service of ['', 'sidero.discovery.server.Cluster'])
      assert.deepEqual(await outcome(ask('Check', request(service))), { code: '0', statuses: [1] })
    assert.deepEqual(await outcome(ask('Check', request('nobody'))), { code: '5', statuses: [] })
    health.end()
    assert.deepEqual(await outcome(ask('Check', request(''))), { code: '0', statuses: [2] })
  }))

test('Watch: the status now, and the last one', () =>
  withServer(async ({ health, ask }) => {
    const stream = ask('Watch', request(''))
    const unknown = ask('Watch', request('nobody'))
    await Promise.all([once(stream, 'response'), once(unknown, 'response')])
    const gone = ask('Watch', request('')).resume()
    await once(gone, 'response')
    gone.close()
    await once(gone, 'close')
    health.end()
    assert.deepEqual(await outcome(stream), { code: '0', statuses: [1, 2] })
    assert.deepEqual((await outcome(unknown)).statuses, [3, 2])
  }))

test('what is no request is refused, and other methods are not ours', () =>
  withServer(async ({ ask }) => {
    assert.equal((await outcome(ask('Check', frameMessage(Uint8Array.of(0xff))))).code, '13')
    assert.equal((await outcome(ask('Watch', frameMessage(Uint8Array.of(0xff))))).code, '13')
    assert.equal((await outcome(ask('Check', Uint8Array.of(1, 0, 0, 0, 0)))).code, '12')
    const [headers] = await once(ask('List', request('')), 'response')
    assert.equal(headers[':status'], 404)
  }))

test('who asks too often is refused at once, and may ask again later', () =>
  withServer(async ({ ask, clock, rate, health }) => {
    for (let count = 0; count < 4; count += 1)
      assert.equal((await outcome(ask('Check', request('')))).code, '0')
    assert.equal((await outcome(ask('Check', request('')))).code, '8')
    await clock.advance(1000)
    assert.equal((await outcome(ask('Check', request('')))).code, '0')
    await clock.advance(60_000)
    health.sweep(clock.now())
    assert.equal(rate.buckets, 0)
  }))

test('a question that does not end is cut off, and leaves no timer behind', () =>
  withServer(async ({ ask, clock }) => {
    const [whole, unfinished] = [ask('Watch', request('')), ask('Check')]
    await once(whole, 'response')
    unfinished.write(Uint8Array.of(0, 0, 0))
    const ended = outcome(unfinished)
    while (clock.armed < 1) await new Promise(setImmediate)
    await clock.advance(10_000)
    assert.equal((await ended).code, '4')
    assert.equal(clock.armed, 0)
    assert.equal(whole.closed, false)
  }))

test('a watch ends at its deadline', () =>
  withServer(async ({ ask, clock, told }) => {
    const stream = ask('Watch', request(''))
    await once(stream, 'response')
    stream.on('error', () => {})
    const closed = once(stream, 'close')
    await clock.advance(5000)
    await closed
    assert.equal(clock.armed, 0)
    assert.match(told.at(-1) ?? '', /^Health.Watch finished 4/)
  }, 5000))

test('each call is told of from its beginning to its end', () =>
  withServer(async ({ ask, clock, told, health }) => {
    const take = (): string[] => told.splice(0).map((line) => line.replace(/^Health.| 192.*$/g, ''))
    await outcome(ask('Check', request('')))
    assert.deepEqual(take(), ['Check started', 'Check received', 'Check sent 7', 'Check finished 0'])
    await outcome(ask('Check', request('nobody')))
    assert.deepEqual(take(), ['Check started', 'Check received', 'Check finished 5'])
    const gone = ask('Watch', request('')).resume()
    await once(gone, 'response')
    gone.close()
    while (told.length < 4) await new Promise(setImmediate)
    assert.deepEqual(take(), ['Watch started', 'Watch received', 'Watch sent 7', 'Watch finished 1'])
    const watch = ask('Watch', request('')).resume()
    await once(watch, 'response')
    health.end()
    await once(watch, 'close')
    assert.deepEqual(take().slice(2), ['Watch sent 7', 'Watch sent 7', 'Watch finished 0'])
    await outcome(ask('Check', request(''))) // the fifth
    assert.deepEqual(take(), ['Check started', 'Check finished 8'])
    assert.equal(clock.armed, 0)
  }))
