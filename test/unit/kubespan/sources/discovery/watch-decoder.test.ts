import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import {
  decodeWatchMessage,
  MESSAGE_LIMITS,
  UnfitAnswer,
  WATCH_MESSAGE_MAX_BYTES,
} from '../../../../../kubespan/sources/discovery/watch-decoder.ts'
import { AffiliateSchema, WatchResponseSchema } from '../../../../../proto/gen/cluster_pb.ts'

interface Said {
  readonly id: string
  readonly data: Uint8Array
  readonly endpoints: readonly Uint8Array[]
}
const encoded = (affiliates: readonly Said[], deleted = false): Uint8Array =>
  toBinary(
    WatchResponseSchema,
    create(WatchResponseSchema, {
      affiliates: affiliates.map(({ id, data, endpoints }) =>
        create(AffiliateSchema, { id, data, endpoints: [...endpoints] }),
      ),
      deleted,
    }),
  )
const said = (change: Partial<Said> = {}): Said => ({
  ...{ id: 'a', data: Uint8Array.of(1, 2), endpoints: [Uint8Array.of(3)] },
  ...change,
})
const idsIn = (bytes: Uint8Array): string[] => decodeWatchMessage(bytes).affiliates.map(({ id }) => id)

test('reads what an encoder writes', () => {
  const bytes = (max: number) => fc.uint8Array({ maxLength: max })
  const affiliate = fc.record(
    {
      id: fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }),
      data: bytes(2048),
      endpoints: fc.array(bytes(32), { maxLength: 64 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(
      fc.uniqueArray(affiliate, { maxLength: 5, selector: ({ id }) => id }),
      fc.boolean(),
      (affiliates, deleted) => {
        const message = encoded(affiliates, deleted)
        assert.deepEqual(decodeWatchMessage(message), { affiliates, deleted, size: message.length })
      },
    ),
  )
})

test('no bytes whatever make it throw anything else than that they are no message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeWatchMessage(bytes)
      } catch (error) {
        assert.ok(error instanceof UnfitAnswer)
      }
    }),
    { numRuns: 2000 },
  )
})

test('ids that are too long, empty or no text are passed over with all that belongs to them', () => {
  const long = 'x'.repeat(MESSAGE_LIMITS.idBytes + 1)
  const message = encoded([said(), said({ id: long }), said({ id: '' }), said({ id: long.slice(1) })])
  assert.deepEqual(idsIn(message), ['a', long.slice(1)])
  const noText = Uint8Array.of(0x0a, 4, 0x0a, 2, 0xc3, 0x28)
  assert.deepEqual(idsIn(noText), [])
})

test('data and endpoints that are too long are passed over, and endpoints after the 64th', () => {
  const { dataBytes, endpointBytes } = MESSAGE_LIMITS
  assert.deepEqual(idsIn(encoded([said({ data: new Uint8Array(dataBytes + 1) }), said({ id: 'b' })])), ['b'])
  const endpoints = [new Uint8Array(endpointBytes + 1), ...new Array(100).fill(new Uint8Array(endpointBytes))]
  assert.equal(decodeWatchMessage(encoded([said({ endpoints })])).affiliates[0]?.endpoints.length, 64)
})

test('the most that an honest service says is read, and an affiliate more is refused', () => {
  const { affiliates, endpoints, idBytes, dataBytes, endpointBytes } = MESSAGE_LIMITS
  const full = Array.from({ length: affiliates }, (_, index) =>
    said({
      id: String(index).padStart(idBytes, 'x'),
      data: new Uint8Array(dataBytes),
      endpoints: new Array(endpoints).fill(new Uint8Array(endpointBytes)),
    }),
  )
  const message = encoded(full)
  assert.ok(message.length < WATCH_MESSAGE_MAX_BYTES)
  assert.equal(decodeWatchMessage(message).affiliates.length, affiliates)
  assert.throws(() => decodeWatchMessage(encoded([...full, said()])), /more than 1024 nodes/)
  const gone = Array.from({ length: 4096 }, (_, index) => ({ ...said(), id: `${index}` }))
  assert.equal(decodeWatchMessage(encoded(gone, true)).affiliates.length, 4096)
  assert.throws(() => decodeWatchMessage(encoded([...gone, said()], true)), /more than 4096 nodes/)
})

test('of records with one id the last counts', () => {
  const message = encoded([said(), said({ id: 'b' }), said({ data: Uint8Array.of(7) })])
  assert.deepEqual(
    decodeWatchMessage(message).affiliates.map(({ id, data }) => [id, data[0]]),
    [
      ['a', 7],
      ['b', 1],
    ],
  )
})

test('fields that are unknown are passed over, and a field that is said twice counts as it was said last', () => {
  const unknown = [0x18, 0x96, 0x01, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x32, 1, 0]
  const twice = [0x0a, 6, 0x0a, 1, 0x61, 0x0a, 1, 0x62]
  assert.deepEqual(idsIn(Uint8Array.from([...unknown, ...twice, ...unknown])), ['b'])
  assert.equal(decodeWatchMessage(Uint8Array.of(0x10, 0, 0x10, 1)).deleted, true)
})

test('what it hands out are copies', () => {
  const message = encoded([said()])
  const { affiliates } = decodeWatchMessage(message)
  message.fill(0)
  assert.deepEqual(affiliates, [said()])
})
