import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonLines, LINE_MAX_BYTES } from '../../../../../kubespan/sources/kubernetes/json-lines.ts'

async function* inPieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let start = 0
  for (const cut of [...cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(start, cut)
    start = cut
  }
}
async function read(bytes: Buffer, cuts: readonly number[] = []): Promise<unknown[]> {
  const lines: unknown[] = []
  for await (const line of jsonLines(inPieces(bytes, cuts))) lines.push(line)
  return lines
}

test('lines are whole however they arrive', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.json()), fc.array(fc.nat()), async (texts, cuts) => {
      const values = texts.map((text) => JSON.parse(text))
      const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
      assert.deepEqual(await read(bytes, cuts), values)
    }),
    { numRuns: 100 },
  )
})

test('blank lines and a last line that never ended do not count', async () => {
  assert.deepEqual(await read(Buffer.from('{"a":1}\n\n{"b":2}\n{"c":')), [{ a: 1 }, { b: 2 }])
})

test('what is no JSON, or has no end, is an error', async () => {
  await assert.rejects(read(Buffer.from('<html>\n')), SyntaxError)
  await assert.rejects(read(Buffer.alloc(LINE_MAX_BYTES + 1, 0x20)), /a line without end/)
})
