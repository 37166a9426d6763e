import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { encodeAffiliate, STANDING } from '../../../../discovery/state/affiliate-bytes.ts'
import { WatchResponseSchema } from '../../../../proto/gen/cluster_pb.ts'

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

const foreign = (endpoints: readonly Uint8Array[]) =>
  endpoints.map((bytes) => ({ bytes, expiresAt: 7, standing: STANDING.owner }))

test('an encoded affiliate is field 1 of a WatchResponse, byte for byte', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
      bytes(2048),
      fc.array(bytes(32), { maxLength: 64, size: 'max' }),
      (id, data, endpoints) => {
        const want = toBinary(
          WatchResponseSchema,
          create(WatchResponseSchema, { affiliates: [{ id, data, endpoints }] }),
        )
        const made = encodeAffiliate(id, data, foreign(endpoints), 7)
        assert.ok(made.encoded.equals(want))
        assert.ok(made.data.equals(data))
        assert.deepEqual(
          made.endpoints.map((endpoint) => endpoint.bytes.toString('hex')),
          endpoints.map((endpoint) => Buffer.from(endpoint).toString('hex')),
        )
      },
    ),
  )
})

test('all of it lies in one exact buffer of its own', () => {
  const data = Buffer.alloc(400, 1)
  const { encoded, data: own, endpoints } = encodeAffiliate('node', data, foreign([Buffer.from('ab')]), 7)
  assert.equal(encoded.buffer.byteLength, encoded.length)
  assert.equal(own.buffer, encoded.buffer)
  assert.equal(endpoints[0]?.bytes.buffer, encoded.buffer)
  data.fill(2)
  assert.equal(own[0], 1)
})

test('absent data and empty data are the same', () => {
  assert.ok(
    encodeAffiliate('node', undefined, [], 7).encoded.equals(
      encodeAffiliate('node', new Uint8Array(), [], 7).encoded,
    ),
  )
})
