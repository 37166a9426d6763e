/**
 * BLAKE2s with a key and an output of 16 bytes (RFC 7693), for mac1 of WireGuard's messages: node:crypto has the hash
 * without a key only. For tests; nothing is kept secret by it.
 */
export function blake2sMac16(key: Uint8Array, data: Uint8Array): Buffer {
  const h = Uint32Array.from(IV)
  h[0] = (h[0] as number) ^ 0x01010000 ^ (key.length << 8) ^ OUTPUT_BYTES
  const blocks = Buffer.alloc(
    BLOCK_BYTES + Math.max(BLOCK_BYTES, Math.ceil(data.length / BLOCK_BYTES) * BLOCK_BYTES),
  )
  blocks.set(key)
  blocks.set(data, BLOCK_BYTES)
  const end = BLOCK_BYTES + data.length
  const last = data.length === 0 ? 0 : Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES - BLOCK_BYTES
  for (let start = 0; start <= last; start += BLOCK_BYTES)
    compress(
      h,
      blocks.subarray(start, start + BLOCK_BYTES),
      Math.min(end, start + BLOCK_BYTES),
      start === last,
    )
  const words = Buffer.alloc(OUTPUT_BYTES)
  for (let word = 0; word < OUTPUT_BYTES / 4; word += 1) words.writeUInt32LE(h[word] as number, 4 * word)
  return words
}

const OUTPUT_BYTES = 16
const BLOCK_BYTES = 64
const ROUNDS = 10
const IV = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
] as const
/** Columns, then diagonals. */
const LANES = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const

const rotateRight = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits))

function compress(h: Uint32Array, block: Buffer, bytesSoFar: number, isLast: boolean): void {
  const v = Uint32Array.from([...h, ...IV])
  const at = (place: number): number => v[place] as number
  v[12] = at(12) ^ bytesSoFar
  if (isLast) v[14] = ~at(14)
  for (let round = 0; round < ROUNDS; round += 1) {
    const sigma = SIGMA[round] as (typeof SIGMA)[number]
    LANES.forEach(([a, b, c, d], lane) => {
      v[a] = at(a) + at(b) + block.readUInt32LE(4 * (sigma[2 * lane] as number))
      v[d] = rotateRight(at(d) ^ at(a), 16)
      v[c] = at(c) + at(d)
      v[b] = rotateRight(at(b) ^ at(c), 12)
      v[a] = at(a) + at(b) + block.readUInt32LE(4 * (sigma[2 * lane + 1] as number))
      v[d] = rotateRight(at(d) ^ at(a), 8)
      v[c] = at(c) + at(d)
      v[b] = rotateRight(at(b) ^ at(c), 7)
    })
  }
  for (let word = 0; word < 8; word += 1) h[word] = (h[word] as number) ^ at(word) ^ at(word + 8)
}
