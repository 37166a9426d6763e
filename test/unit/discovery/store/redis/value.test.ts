import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAffiliate, STANDING } from '../../../../../discovery/state/affiliate-bytes.ts'
import {
  decodeValue,
  dueAt,
  encodeValue,
  endOfValues,
  makeVersion,
} from '../../../../../discovery/store/redis/value.ts'

const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength })
const instant = fc.double({ min: 0, max: 4e12, noNaN: true })
const affiliate = fc
  .record({
    id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    data: bytes(2048),
    endpoints: fc.array(
      fc.record({ bytes: bytes(32, 1), expiresAt: instant, standing: fc.constantFrom(0, 1, 2) }),
      { maxLength: 64 },
    ),
    expiresAt: instant,
    refreshedAt: fc.option(instant, { nil: undefined }),
    isProven: fc.boolean(),
    origin: fc.option(fc.constant('0123456789abcdef'), { nil: undefined }),
  })
  .map(({ id, data, endpoints, expiresAt, refreshedAt, origin, isProven }) =>
    encodeAffiliate(id, data, endpoints, expiresAt, { refreshedAt, origin, isProven }),
  )
const VERSION = makeVersion(0.5)
const ENDPOINT = { bytes: Buffer.from('e'), expiresAt: 1, standing: STANDING.owner }
/** One endpoint's standing, flags and origin. */
const TAIL = 1 + 1 + 8

test('a value is read as it was written, whatever a later version may have added', () => {
  fc.assert(
    fc.property(affiliate, bytes(20), (given, added) => {
      const value = Buffer.concat([encodeValue(given, VERSION), added])
      assert.deepEqual(decodeValue(given.id, value), { ...given, version: VERSION })
    }),
  )
})

test('what was read keeps nothing of the answer it came in', () => {
  const given = encodeAffiliate('a', Buffer.from('data'), [ENDPOINT], 2)
  const value = encodeValue(given, VERSION)
  const read = decodeValue('a', value)
  value.fill(0)
  assert.deepEqual(read, { ...given, version: VERSION })
})

test('another format, and what is cut short, is not read', () => {
  const given = encodeAffiliate('a', Buffer.from('data'), [ENDPOINT], 2)
  const value = encodeValue(given, VERSION)
  for (let length = 0; length < value.length; length += 1)
    if (length !== value.length - TAIL)
      assert.equal(decodeValue('a', value.subarray(0, length)), undefined, `${length} bytes`)
  value[0] = 2
  assert.equal(decodeValue('a', value), undefined)
})

test('a value of an earlier version has no tail: its endpoints are its owner’s, its origin is not known', () => {
  const marks = { refreshedAt: 3, origin: '0123456789abcdef', isProven: true }
  const value = encodeValue(
    encodeAffiliate('a', Buffer.from('data'), [{ ...ENDPOINT, standing: STANDING.others }], 2, marks),
    VERSION,
  )
  const read = decodeValue('a', value.subarray(0, value.length - TAIL))
  assert.deepEqual(
    [read?.origin, read?.endpoints[0]?.standing, String(read?.data)],
    [undefined, STANDING.owner, 'data'],
  )
})

test('scripts look at three places of a value: the version, the number of endpoints, and the end', () => {
  const endpoints = Array.from({ length: 3 }, () => ENDPOINT)
  const origin = '0123456789abcdef'
  const value = encodeValue(
    encodeAffiliate('a', undefined, endpoints, 2, { refreshedAt: 1, origin, isProven: false }),
    VERSION,
  )
  assert.deepEqual([value.toString('latin1', 1, 14), value[14]], [VERSION, 3])
  assert.ok(value.subarray(-8).equals(endOfValues(origin, false)))
  assert.ok(value.subarray(-9).equals(endOfValues(origin, true)))
  assert.equal(endOfValues(undefined, true).length, 0)
})

test('versions have a fixed length', () => {
  for (const random of [0, 1e-12, 0.5, 1 - 2 ** -53]) assert.match(makeVersion(random), /^[0-9a-f]{13}$/)
})

test('an affiliate is due when the first of it is over', () => {
  const endpoint = { ...ENDPOINT, expiresAt: 5 }
  assert.equal(dueAt(encodeAffiliate('a', undefined, [endpoint, { ...endpoint, expiresAt: 3 }], 9)), 3)
  assert.equal(dueAt(encodeAffiliate('a', undefined, [endpoint], 4)), 4)
  assert.equal(dueAt(encodeAffiliate('a', undefined, [], 4)), 4)
})
