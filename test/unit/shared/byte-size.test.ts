import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatByteSize, parseByteSize } from '../../../shared/byte-size.ts'

test('sizes are read with any of the usual units', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1000', 1000],
    ['1000B', 1000],
    ['1K', 1024],
    ['512M', 512 * 1024 ** 2],
    ['512MiB', 512 * 1024 ** 2],
    ['1.5 gb', 1.5 * 1024 ** 3],
  ] as const)
    assert.equal(parseByteSize(text), bytes, text)
  for (const text of ['', 'x', '-1', '1P', '1.M', 'M', '1 000', '9999999999T'])
    assert.equal(parseByteSize(text), undefined, text)
})

test('what is written is read', () => {
  assert.equal(formatByteSize(512 * 1024 ** 2), '512MiB')
  assert.equal(formatByteSize(1536 * 1024), '1536KiB')
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      assert.equal(parseByteSize(formatByteSize(bytes)), bytes)
    }),
  )
})
