import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { encodeAffiliate } from '../../../../discovery/state/affiliate-bytes.ts'
import { WatchResponseSchema } from '../../../../proto/gen/cluster_pb.ts'

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

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
        const made = encodeAffiliate(id, data, endpoints)
        assert.ok(made.encoded.equals(want))
        assert.ok(made.data.equals(data))
        assert.deepEqual(
          made.endpoints.map((endpoint) => endpoint.toString('hex')),
          endpoints.map((endpoint) => Buffer.from(endpoint).toString('hex')),
        )
      },
    ),
  )
})

test('all of it lies in one exact buffer of its own', () => {
  const data = Buffer.alloc(400, 1)
  const { encoded, data: own, endpoints } = encodeAffiliate('node', data, [Buffer.from('ab')])
  assert.equal(encoded.buffer.byteLength, encoded.length)
  assert.equal(own.buffer, encoded.buffer)
  assert.equal(endpoints[0]?.buffer, encoded.buffer)
  data.fill(2)
  assert.equal(own[0], 1)
})

test('absent data and empty data are the same', () => {
  assert.ok(
    encodeAffiliate('node', undefined, []).encoded.equals(
      encodeAffiliate('node', new Uint8Array(), []).encoded,
    ),
  )
})
