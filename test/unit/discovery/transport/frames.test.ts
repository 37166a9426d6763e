import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { encodeAffiliate } from '../../../../discovery/state/affiliate-bytes.ts'
import { EMPTY_FRAME, frameMessage, makeFrame } from '../../../../discovery/transport/frames.ts'
import { ListResponseSchema, WatchResponseSchema } from '../../../../proto/gen/cluster_pb.ts'

test('a frame is what the generated code makes of the same affiliates, behind its head', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const affiliate = fc.record({
    id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    data: bytes,
    endpoints: fc.array(bytes, { maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.array(affiliate, { maxLength: 20 }), fc.boolean(), (affiliates, deleted) => {
      const encoded = affiliates.map(
        ({ id, data, endpoints }) =>
          encodeAffiliate(
            id,
            data,
            endpoints.map((each) => ({ bytes: each, expiresAt: 7, standing: 2 })),
            7,
          ).encoded,
      )
      const frame = makeFrame(encoded, deleted)
      const message = toBinary(WatchResponseSchema, create(WatchResponseSchema, { affiliates, deleted }))
      assert.equal(frame[0], 0)
      assert.equal(frame.readUInt32BE(1), message.length)
      assert.ok(frame.subarray(5).equals(message))
      assert.equal(frame.buffer.byteLength, frame.length, 'it keeps nothing else alive')
      if (!deleted)
        assert.equal(fromBinary(ListResponseSchema, frame.subarray(5)).affiliates.length, affiliates.length)
    }),
  )
})

test('any message can be framed, also an empty one', () => {
  assert.equal(frameMessage(Uint8Array.of(7, 8)).toString('hex'), '00000000020708')
  assert.equal(EMPTY_FRAME.toString('hex'), '0000000000')
})
