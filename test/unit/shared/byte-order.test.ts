import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareBytes } from '../../../shared/byte-order.ts'

test('upper case comes before lower case, a prefix before what it begins', () => {
  assert.deepEqual(['b', 'a', 'ab', '', 'B'].sort(compareBytes), ['', 'B', 'a', 'ab', 'b'])
})

test('the order is that of the UTF-8 bytes, whatever the characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
  assert.ok(compareBytes('\u{1F600}', '\uFF5E') > 0, 'where UTF-16 order says otherwise')
})
