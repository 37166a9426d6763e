import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { framed, outcomeOf, type RawClient, type RawOutcome } from '../support/raw-call.ts'
import { newCluster, Target } from './discovery-target.ts'

const target = new Target()
const LIST = framed(Buffer.from('\n\x01c'))

/** `status message`, or what HTTP said instead. */
const show = ({ httpStatus, grpcStatus, grpcMessage = '' }: RawOutcome): string =>
  grpcStatus === undefined ? `HTTP ${httpStatus}` : `${grpcStatus} ${grpcMessage}`.trim()

const raw = async (run: (client: RawClient) => Promise<void>): Promise<void> => {
  using client = await target.raw()
  await run(client)
}

test('a good call is answered with one message and trailers', () =>
  raw(async (client) => {
    const answer = await client.call('List', LIST)
    assert.deepEqual(
      [answer.httpStatus, answer.contentType, show(answer), answer.messages.length],
      [200, 'application/grpc', '0', 1],
    )
    const update = await client.call('AffiliateDelete', framed(Buffer.from('\n\x01c\x12\x01a')))
    assert.deepEqual([show(update), update.messages.map(String)], ['0', ['']])
  }))

for (const contentType of ['application/grpc+proto', 'application/grpc;charset=utf-8'])
  test(`${contentType} is gRPC, too`, () =>
    raw(async (client) =>
      assert.equal(show(await client.call('List', LIST, { 'content-type': contentType })), '0'),
    ))

const invalidUtf8 = Buffer.from('\n\x01\xff', 'latin1')
const bodies: { what: string; body: Buffer; method?: string; headers?: object; want: RegExp }[] = [
  { what: 'nothing at all', body: Buffer.alloc(0), want: /^13 / },
  { what: 'half a head', body: Buffer.alloc(3), want: /^13 / },
  { what: 'half a message', body: LIST.subarray(0, 6), want: /^13 / },
  { what: 'two messages', body: Buffer.concat([LIST, LIST]), want: /^13 / },
  { what: 'no protobuf', body: framed(Buffer.from('\n\x05c')), want: /^13 / },
  { what: 'an empty message', body: framed(Buffer.alloc(0)), want: /^3 cluster ID can't be empty$/ },
  { what: 'a compressed message', body: Buffer.concat([Buffer.of(1), LIST.subarray(1)]), want: /^12 / },
  {
    what: 'a message of more than 4 MiB',
    body: Buffer.from('0000400001', 'hex'),
    want: /^8 /,
  },
  { what: 'a message of 4 GiB', body: Buffer.from('00ffffffff', 'hex'), want: /^8 / },
  {
    what: 'a cluster id that is no UTF-8 (S17)',
    body: framed(invalidUtf8),
    want: /^3 cluster ID is not valid UTF-8$/,
  },
  {
    what: 'an affiliate id that is no UTF-8 (S17)',
    method: 'AffiliateUpdate',
    body: framed(Buffer.from('\n\x01c\x12\x01\xff', 'latin1')),
    want: /^3 affiliate ID is not valid UTF-8$/,
  },
  {
    what: 'a client version that is no UTF-8',
    method: 'Hello',
    body: framed(Buffer.from('\n\x01c\x12\x01\xff', 'latin1')),
    want: /^3 client version is not valid UTF-8$/,
  },
  { what: 'another method', method: 'Nothing', body: LIST, want: /^12 unknown method Nothing/ },
  { what: 'another service', method: '/a.B/C', body: LIST, want: /^12 unknown service a\.B$/ },
  { what: 'a strange path', method: '/', body: LIST, want: /^12 / },
  { what: 'a strange timeout', body: LIST, headers: { 'grpc-timeout': 'soon' }, want: /^13 / },
  { what: 'GET', body: Buffer.alloc(0), headers: { ':method': 'GET' }, want: /^HTTP 405$/ },
  { what: 'grpc-web', body: LIST, headers: { 'content-type': 'application/grpc-web' }, want: /^HTTP 415$/ },
]
for (const { what, body, method = 'List', headers, want } of bodies)
  test(`answered well: ${what}`, () =>
    raw(async (client) => {
      assert.match(show(await client.call(method, body, { ...headers })), want)
      assert.equal(show(await client.call('List', LIST)), '0', 'the connection goes on')
    }))

test('a message may come byte by byte', () =>
  raw(async (client) => {
    const stream = client.open('List')
    const outcome = outcomeOf(stream)
    for (const byte of LIST) {
      stream.write(Buffer.of(byte))
      await sleep(5)
    }
    stream.end()
    assert.equal(show(await outcome), '0')
  }))

test('a large message is read to its end', () =>
  raw(async (client) => {
    const padding = Buffer.alloc(1 << 20)
    const unknownField = Buffer.concat([Buffer.of(0x7a, 0x80, 0x80, 0x40), padding])
    assert.equal(
      show(await client.call('List', framed(Buffer.concat([Buffer.from('\n\x01c'), unknownField])))),
      '0',
    )
  }))

test('the answer comes as soon as the message is complete, before the client ends its side', () =>
  raw(async (client) => {
    const stream = client.open('List')
    const outcome = outcomeOf(stream)
    stream.write(LIST)
    const [chunk] = (await once(stream, 'data')) as [Buffer]
    assert.equal(chunk.length, 5)
    stream.end()
    assert.equal(show(await outcome), '0')
  }))

test('a deadline passes while the message is still to come', () =>
  raw(async (client) => {
    const stream = client.open('List', { 'grpc-timeout': '100m' })
    stream.write(LIST.subarray(0, 4))
    assert.match(show(await outcomeOf(stream)), /^4 /)
  }))

test('calls that are cancelled leave the connection in order', () =>
  raw(async (client) => {
    for (let count = 0; count < 50; count += 1) {
      const stream = client.open(count % 2 === 0 ? 'Watch' : 'List')
      stream.on('error', () => {})
      if (count % 3 > 0) stream.write(LIST)
      if (count % 5 === 0) await sleep(2)
      stream.close(8)
    }
    assert.equal(show(await client.call('List', LIST)), '0')
  }))

test('250 streams at once, no more', () =>
  raw(async (client) => {
    assert.equal(client.session.remoteSettings.maxConcurrentStreams, 250)
    const id = newCluster()
    const body = framed(Buffer.concat([Buffer.of(0x0a, id.length), Buffer.from(id)]))
    const streams = Array.from({ length: 55 }, () =>
      client.open('Watch', { 'x-real-ip': '192.0.2.55' }).end(body),
    )
    await Promise.all(streams.map((stream) => once(stream, 'data')))
    for (const stream of streams) stream.close()
  }))
