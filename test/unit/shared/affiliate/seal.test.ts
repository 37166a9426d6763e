import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import fc from 'fast-check'
import { ClusterKey, SEAL_OVERHEAD_BYTES } from '../../../../shared/affiliate/seal.ts'

const SECRET = 'fFXfuitWYBmiFk3seGi6j8INRzrsWuhQB0JlbkXSmgA='
const OTHER = 'AnEqxvAdN6wLS7oQ42kaZVgHxqVPesGtnHcESlaAxeo='

const keyOf = (secret: string): ClusterKey => {
  const key = ClusterKey.fromSecret(secret)
  assert.ok(key !== undefined)
  return key
}
const key = keyOf(SECRET)

test('a secret is standard base64 of 32 bytes', () => {
  assert.equal(key.presharedKey(), SECRET)
  assert.equal(
    ClusterKey.fromSecret(`${SECRET}\n`)?.presharedKey(),
    SECRET,
    'a block of YAML ends in a line break',
  )
  for (const text of [
    '',
    SECRET.slice(1),
    SECRET.slice(0, -1),
    `A${SECRET}`,
    SECRET.replace('f', '-'),
    `${SECRET} `,
  ])
    assert.equal(ClusterKey.fromSecret(text), undefined, text)
  for (const bytes of [0, 16, 24, 31, 33])
    assert.equal(
      ClusterKey.fromSecret(Buffer.alloc(bytes, 1).toString('base64')),
      undefined,
      `${bytes} bytes`,
    )
})

test('a key does not show itself', () => {
  const shown = [
    String(key),
    JSON.stringify({ key }),
    inspect({ key }, { showHidden: true, depth: 9 }),
    format('%s %o %j', key, key, key),
  ]
  for (const text of shown) {
    assert.match(text, /redacted/)
    assert.ok(!text.includes(SECRET.slice(0, 8)))
  }
})

test('what is sealed opens with the same key and no other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (plaintext) => {
      const sealed = key.sealAffiliate(plaintext)
      assert.equal(sealed.length, plaintext.length + SEAL_OVERHEAD_BYTES)
      assert.deepEqual(key.openAffiliate(sealed), plaintext)
      assert.equal(keyOf(OTHER).openAffiliate(sealed), undefined)
    }),
  )
  assert.notDeepEqual(key.sealAffiliate(new Uint8Array()), key.sealAffiliate(new Uint8Array()))
  assert.throws(() => key.sealAffiliate(new Uint8Array(), new Uint8Array(16)), RangeError)
})

test('one changed bit anywhere, or a missing byte, breaks the seal', () => {
  const sealed = key.sealAffiliate(Buffer.from('an affiliate'))
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.nat(7), (at, bit) => {
      const changed = sealed.slice()
      changed[at] = (changed[at] ?? 0) ^ (1 << bit)
      assert.equal(key.openAffiliate(changed), undefined)
      assert.equal(key.openAffiliate(sealed.subarray(0, at)), undefined)
    }),
  )
})

test('equal endpoints are sealed alike, in whole blocks', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 255 }), (message) => {
      const sealed = key.sealEndpoint(message)
      assert.equal(sealed.length, Math.ceil((message.length + 1) / 16) * 16)
      assert.deepEqual(key.sealEndpoint(message), sealed)
      assert.deepEqual(key.openEndpoint(sealed), message)
    }),
  )
  assert.throws(() => key.sealEndpoint(new Uint8Array(256)), RangeError)
})

test('no bytes make opening throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(key.openAffiliate(bytes), undefined)
      const endpoint = key.openEndpoint(bytes)
      if (bytes.length === 0 || bytes.length % 16 !== 0) assert.equal(endpoint, undefined)
      else assert.ok(endpoint === undefined || endpoint.length < bytes.length)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      key.openEndpoint(bytes)
    }),
    { numRuns: 500 },
  )
})
