import assert from 'node:assert/strict'
import type { ServerHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { GrpcTransport } from '../../kubespan/sources/discovery/grpc.ts'
import { UnfitAnswer } from '../../kubespan/sources/discovery/watch-decoder.ts'
import { answer, framed, RawService } from '../support/raw-service.ts'

const connectTo = (service: Pick<RawService, 'endpoint'>): GrpcTransport =>
  new GrpcTransport(service.endpoint, {
    clusterId: 'x',
    clientVersion: 'v1',
    keepalive: 10_000,
    rootCertificates: () => Buffer.of(),
    proxy: undefined,
  })

const opened = (stream: ServerHttp2Stream, headers: object = {}): ServerHttp2Stream => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...headers })
  return stream
}

/** What the first answer of a Watch comes to. */
async function firstOf(say: (stream: ServerHttp2Stream) => void): Promise<unknown> {
  await using service = await RawService.listen({ Watch: say })
  const transport = connectTo(service)
  try {
    for await (const message of transport.watch(AbortSignal.timeout(20_000))) return message
    return 'end'
  } catch (error) {
    return error
  } finally {
    transport.close()
  }
}

/** WatchResponse of so many affiliates that say nothing. */
const empties = (count: number): Buffer => Buffer.alloc(count * 2, Uint8Array.of(0x0a, 0))

test('what is longer than 8 MiB is refused before it is received', async () => {
  const outcome = await firstOf((stream) => {
    const head = Buffer.alloc(5)
    head.writeUInt32BE((8 << 20) + 1, 1)
    opened(stream).write(head)
  })
  assert.ok(outcome instanceof UnfitAnswer)
  assert.match(outcome.message, /larger than max/)
})

test('what is longer than 8 MiB once it is unpacked is refused, and not kept', async () => {
  const packed = gzipSync(empties(63 << 19))
  assert.ok(packed.length < 100_000)
  const before = process.memoryUsage().rss
  const outcome = await firstOf((stream) =>
    opened(stream, { 'grpc-encoding': 'gzip' }).write(framed(packed, true)),
  )
  assert.ok(outcome instanceof UnfitAnswer)
  assert.match(outcome.message, /decompresses to a size larger/)
  const grown = (process.memoryUsage().rss - before) / (1 << 20)
  assert.ok(grown < 64, `${grown.toFixed(0)} MiB more`)
})

test('millions of nodes in 8 MiB are refused after the first thousands', async () => {
  const before = process.memoryUsage().rss
  const outcome = await firstOf((stream) => opened(stream).write(framed(empties(4 << 20))))
  assert.ok(outcome instanceof UnfitAnswer)
  assert.match(outcome.message, /more than 4096 nodes/)
  const grown = (process.memoryUsage().rss - before) / (1 << 20)
  assert.ok(grown < 64, `${grown.toFixed(0)} MiB more`)
})

test('an answer to a call is an address and a name at most', async () => {
  await using service = await RawService.listen({
    Hello: (stream) => answer(stream, Buffer.alloc(1 << 20, Uint8Array.of(0x0a, 0))),
  })
  const transport = connectTo(service)
  await assert.rejects(transport.hello(AbortSignal.timeout(10_000)), /1048576 bytes/)
  transport.close()
})

test('what is not asked for stays with the service', async () => {
  let sent = 0
  await using service = await RawService.listen({
    Watch: (stream) => {
      opened(stream)
      const message = framed(Buffer.alloc(200_000, Uint8Array.of(0x18, 0)))
      const send = (): void => {
        stream.write(message, (error) => {
          if (error) return
          sent += message.length
          send()
        })
      }
      send()
    },
  })
  const transport = connectTo(service)
  const stop = new AbortController()
  const messages = transport.watch(stop.signal)[Symbol.asyncIterator]()
  for (let turn = 0; turn < 3; turn += 1) assert.equal((await messages.next()).done, false)
  await pause(500)
  const taken = sent
  assert.ok(taken < 1_500_000, `${taken} bytes were taken for three messages of 200,000`)
  for (let turn = 0; turn < 40; turn += 1) assert.equal((await messages.next()).done, false)
  assert.ok(sent > taken)
  stop.abort()
  assert.equal((await messages.next()).done, true)
  transport.close()
})

test('a watch that ends well ends, and its last messages are there', async () => {
  await using service = await RawService.listen({
    Watch: (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.write(framed(Buffer.of(0x10, 1)))
      stream.end(framed(Buffer.of(0x10, 0)))
    },
  })
  const transport = connectTo(service)
  const said: boolean[] = []
  for await (const { deleted } of transport.watch(AbortSignal.timeout(10_000))) said.push(deleted)
  assert.deepEqual(said, [true, false])
  transport.close()
})

test('what a service says of why it fails is clipped, and no terminal obeys it', async () => {
  const why = `\u001b[2J${'x'.repeat(50_000)}`
  await using service = await RawService.listen({
    Hello: (stream) => {
      const headers = { 'grpc-status': '14', 'grpc-message': encodeURIComponent(why) }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...headers }, { endStream: true })
    },
  })
  const transport = connectTo(service)
  await assert.rejects(transport.hello(AbortSignal.timeout(10_000)), ({ message }: Error) => {
    assert.ok(message.length < 300, String(message.length))
    assert.match(message, /^Hello: UNAVAILABLE: \\u001b\[2Jxxx/)
    return true
  })
  transport.close()
})

for (const host of ['unix', 'ipv4', 'dns', 'passthrough'])
  test(`a host that is called ${host} is looked up, and no scheme`, async () => {
    const transport = connectTo({ endpoint: { host, port: 1, plaintext: true } })
    await assert.rejects(transport.hello(AbortSignal.timeout(10_000)), ({ message }: Error) => {
      assert.match(message, /Name resolution|CANCELLED|ENOTFOUND|EAI_AGAIN/)
      assert.doesNotMatch(message, /ENOENT|socket/)
      return true
    })
    transport.close()
  })
