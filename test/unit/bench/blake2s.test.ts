import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blake2sMac16 } from '../../bench/blake2s.ts'

/** What Python's hashlib.blake2s says of the first bytes of 0, 1, 2, … under the key 0, 1, … 31. */
const DIGESTS: readonly (readonly [length: number, hex: string])[] = [
  [0, '9536f9b267655743dee97b8a670f9f53'],
  [1, '13bacfb85b48a1223c595f8c1e7e82cb'],
  [63, 'ece382a8bd5018f1de5da44b72cea75b'],
  [64, 'f1efa90d2547036841ecd3627fafbc36'],
  [65, '811ff8686d23a435ecbd0bdafcd27b1b'],
  [116, '072e94ffbfc684bd8ab2a1b9dade2fd5'],
  [128, '8c09f698d03eaf88abf69f8147865ef6'],
  [129, '5c363ae42a5bec26fbc5e996428d9bd7'],
  [200, '42a6f8ff590af21b512e9e088257aa34'],
]

test('a keyed BLAKE2s of 16 bytes, around the borders of blocks', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  for (const [length, hex] of DIGESTS)
    assert.equal(
      blake2sMac16(bytes.subarray(0, 32), bytes.subarray(0, length)).toString('hex'),
      hex,
      `${length}`,
    )
})
