import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { decodeRequest } from '../../../../discovery/transport/request-decoder.ts'
import {
  type AffiliateUpdateRequest,
  AffiliateUpdateRequestSchema,
  HelloRequestSchema,
} from '../../../../proto/gen/cluster_pb.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

const toMilliseconds = ({ ttl }: AffiliateUpdateRequest): number =>
  ttl === undefined ? 0 : Number(ttl.seconds) * 1000 + ttl.nanos / 1e6

/** What the general decoder makes of it, in our form. */
function decodeGenerally(bytes: Uint8Array): ReturnType<typeof decodeRequest> {
  const request = fromBinary(AffiliateUpdateRequestSchema, bytes)
  return {
    clusterId: request.clusterId,
    affiliateId: request.affiliateId,
    data: request.affiliateData,
    endpoints: request.affiliateEndpoints,
    ttl: toMilliseconds(request),
  }
}

const plain = (request: ReturnType<typeof decodeRequest>): unknown =>
  request && {
    ...request,
    data: request.data && Buffer.from(request.data).toString('hex'),
    endpoints: request.endpoints.map((endpoint) => Buffer.from(endpoint).toString('hex')),
  }

const message = fc
  .record(
    {
      clusterId: fc.string({ unit: 'grapheme', maxLength: 300 }),
      affiliateId: fc.string({ unit: 'grapheme', maxLength: 300 }),
      affiliateData: fc.uint8Array({ maxLength: 3000 }),
      affiliateEndpoints: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 70 }),
      ttl: fc.record({
        seconds: fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }),
        nanos: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      }),
    },
    { requiredKeys: [] },
  )
  .map((fields) => toBinary(AffiliateUpdateRequestSchema, create(AffiliateUpdateRequestSchema, fields)))

test('any request reads as the general decoder reads it', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      assert.deepEqual(plain(decodeRequest(Buffer.from(bytes))), plain(decodeGenerally(bytes)))
    }),
  )
})

test('the same in the middle of a buffer, and when fields come again', () => {
  fc.assert(
    fc.property(message, message, (first, second) => {
      const joined = Buffer.concat([Buffer.alloc(5, 0xff), first, second])
      assert.deepEqual(plain(decodeRequest(joined, 5)), plain(decodeGenerally(joined.subarray(5))))
    }),
  )
})

test('whatever comes, it neither throws nor reads beyond, and takes nothing that the general decoder refuses', () => {
  const mutated = fc
    .tuple(
      message,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.nat(20),
    )
    .map(([bytes, changes, cut]) => {
      const copy = Buffer.from(bytes.subarray(0, Math.max(0, bytes.length - cut)))
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value
      return copy
    })
  const random = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(mutated, random), (bytes) => {
      const read = decodeRequest(bytes)
      for (const view of [read?.data, ...(read?.endpoints ?? [])])
        assert.ok(view === undefined || view.byteOffset + view.length <= bytes.byteOffset + bytes.length)
    }),
    { numRuns: 500 },
  )
})

test('a HelloRequest has the version in the second field', () => {
  const bytes = toBinary(
    HelloRequestSchema,
    create(HelloRequestSchema, { clusterId: 'c', clientVersion: 'v1.2.3' }),
  )
  const { clusterId, affiliateId } = decodeRequest(Buffer.from(bytes)) ?? assert.fail()
  assert.deepEqual([clusterId, affiliateId], ['c', 'v1.2.3'])
})

const durations: { bytes: string; want: number; why: string }[] = [
  { bytes: '', want: 0, why: 'none' },
  { bytes: '2a 00', want: 0, why: 'an empty one' },
  { bytes: '2a 03 08 88 0e', want: 1_800_000, why: '30 minutes' },
  { bytes: '2a 05 08 88 0e 10 01', want: 1_800_000.000001, why: 'and a nanosecond' },
  { bytes: '2a 0b 08 ff ff ff ff ff ff ff ff ff 01', want: -1000, why: 'minus one second' },
  { bytes: '2a 0b 10 ff ff ff ff ff ff ff ff ff 01', want: -1e-6, why: 'minus one nanosecond' },
  { bytes: '2a 0a 08 ff ff ff ff ff ff ff ff 7f', want: 2 ** 63 * 1000, why: 'as long as can be' },
  { bytes: '2a 02 08 01 2a 02 10 01', want: 1000.000001, why: 'in two parts' },
]
for (const { bytes, want, why } of durations)
  test(`a ttl of ${why}`, () => assert.equal(decodeRequest(hex(bytes))?.ttl, want))

const ids: { bytes: string; want: string | undefined; why: string }[] = [
  { bytes: '0a 02 c3 bc', want: 'ü', why: 'UTF-8' },
  { bytes: '0a 03 ef bb bf', want: '\ufeff', why: 'a byte order mark' },
  { bytes: '0a 03 ef bf bd', want: '\ufffd', why: 'the replacement character itself' },
  { bytes: '0a 01 ff', want: undefined, why: 'a byte that never occurs' },
  { bytes: '0a 02 c0 af', want: undefined, why: 'an overlong form' },
  { bytes: '0a 03 ed a0 80', want: undefined, why: 'a surrogate' },
  { bytes: '0a 02 61 c3', want: undefined, why: 'an unfinished character' },
]
for (const { bytes, want, why } of ids)
  test(`an id of ${why}`, () => {
    const request = decodeRequest(hex(bytes))
    assert.ok(request !== undefined)
    assert.equal(request.clusterId, want)
  })

const unknown: { bytes: string; why: string }[] = [
  { bytes: '30 01', why: 'a varint' },
  { bytes: '31 01 02 03 04 05 06 07 08', why: 'eight bytes' },
  { bytes: '32 03 01 02 03', why: 'bytes' },
  { bytes: '35 01 02 03 04', why: 'four bytes' },
  { bytes: '33 08 01 12 01 00 34', why: 'a group' },
  { bytes: '33 3b 08 01 3c 34', why: 'a group in a group' },
  { bytes: '82 80 01 01 61', why: 'a large field number' },
  { bytes: '08 01', why: 'a known number with another type' },
]
for (const { bytes, why } of unknown)
  test(`what is not known is skipped: ${why}`, () => {
    const request = decodeRequest(hex(`${bytes} 0a 01 63 ${bytes}`))
    assert.deepEqual([request?.clusterId, request?.affiliateId], ['c', ''])
  })

const broken: { bytes: string; why: string }[] = [
  { bytes: '0a', why: 'a length that is not there' },
  { bytes: '0a 02 61', why: 'a text that is too short' },
  { bytes: '0a ff ff ff ff ff ff ff ff ff 01 61', why: 'a monstrous length' },
  { bytes: '0a ff ff ff ff ff ff ff ff ff ff ff', why: 'a length without end' },
  { bytes: '2a 02 08', why: 'a ttl that is too short' },
  { bytes: '2a 01 08', why: 'a ttl that ends within a field' },
  { bytes: '2a 02 10 80 01', why: 'a ttl whose field goes beyond it' },
  { bytes: '00 01', why: 'field number 0' },
  { bytes: '36', why: 'a wire type that does not exist' },
  { bytes: '34', why: 'the end of no group' },
  { bytes: '33 08 01', why: 'a group without end' },
  { bytes: '33 08 01 3c', why: 'a group with the end of another' },
  { bytes: '31 01 02', why: 'eight bytes that are two' },
  { bytes: '35 01 02', why: 'four bytes that are two' },
  { bytes: '33'.repeat(200), why: 'groups without measure' },
]
for (const { bytes, why } of broken)
  test(`no protobuf: ${why}`, () => assert.equal(decodeRequest(hex(bytes)), undefined))
