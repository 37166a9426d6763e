import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CLUSTER_SNAPSHOT_MAX_BYTES,
  SnapshotSplitter,
} from '../../../../discovery/storage/snapshot-splitter.ts'

const split = (...chunks: readonly string[]): string[] => {
  const splitter = new SnapshotSplitter()
  const messages = chunks.flatMap((hex) => [...splitter.push(new Uint8Array(Buffer.from(hex, 'hex')))])
  splitter.end()
  return messages.map((message) => Buffer.from(message).toString('hex'))
}

test('messages are cut out wherever the chunks end', () => {
  assert.deepEqual(split(), [])
  assert.deepEqual(split('0a020102' + '0a00' + '0a0105'), ['0102', '', '05'])
  assert.deepEqual(split('0a', '02', '01', '', '020a', '00'), ['0102', ''])
  assert.deepEqual(split('0a8100', 'aa'), ['aa'], 'a length may be written longer than it needs')
})

test('a message in one chunk is a view, not a copy', () => {
  const chunk = new Uint8Array(Buffer.from('0a020102', 'hex'))
  const [message] = new SnapshotSplitter().push(chunk)
  assert.equal(message?.buffer, chunk.buffer)
})

test('a claimed length costs nothing until the bytes come', () => {
  const splitter = new SnapshotSplitter()
  const before = process.memoryUsage().arrayBuffers
  assert.deepEqual([...splitter.push(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0x3f))], [])
  assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000)
  assert.throws(() => splitter.end(), /ends in the middle/)
})

test('what is no snapshot is refused', () => {
  assert.throws(() => split('1200'), /unexpected byte 0x12/)
  assert.throws(() => split('0a0005'), /unexpected byte 0x05/)
  assert.throws(() => split('0a'), /ends in the middle/)
  assert.throws(() => split('0a80'), /ends in the middle/)
  assert.throws(() => split('0a0501'), /ends in the middle/)
  assert.throws(() => split('0a80808080808080808080'), /not a number/)
  const tooLong = CLUSTER_SNAPSHOT_MAX_BYTES + 1
  const length = Uint8Array.of(
    ...[0, 7, 14, 21].map((shift) => ((tooLong >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0)),
  )
  assert.throws(() => split(`0a${Buffer.from(length).toString('hex')}`), /longer than any cluster/)
})
