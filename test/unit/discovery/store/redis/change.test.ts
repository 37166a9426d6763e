import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeAbsence, readEntry, readToldChange } from '../../../../../discovery/store/redis/change.ts'

test('a change is read as write.lua tells it, whatever is in its id and value', () => {
  const told = (id: string, value: string): Buffer =>
    Buffer.from(`7-123 6-99 ${Buffer.byteLength(id)} ${id}${value}`)
  for (const [id, value] of [
    ['a', 'value'],
    ['1 2 3', ' 4 5'],
    ['ä€', '\n'],
  ] as const)
    assert.deepEqual(readToldChange(told(id, value)), {
      entry: '7-123',
      follows: '6-99',
      affiliateId: id,
      value: Buffer.from(value),
    })
  assert.equal(readToldChange(told('a', ''))?.value, undefined)
  assert.equal(readToldChange(Buffer.from('1-5  1 av'))?.follows, '')
  for (const text of ['', 'x', '1 2', '1 2 3']) assert.equal(readToldChange(Buffer.from(text)), undefined)
})

test('an entry of the stream says the same', () => {
  const fields = ['i', 'a', 'v', 'value'].map((text) => Buffer.from(text))
  const value = Buffer.from('value')
  assert.deepEqual(readEntry([Buffer.from('7-1'), fields]), { entry: '7-1', affiliateId: 'a', value })
  assert.equal(readEntry([Buffer.from('7-1'), [...fields.slice(0, 3), Buffer.of()]]).value, undefined)
})

for (const [what, seen, last, oldest, want] of [
  ['Redis came back empty', '5-1', '', '', 'lost'],
  ['Redis came back without the last changes', '5-1', '4-9', '1-3', 'lost'],
  ['another change has that number', '5-1', '5-2', '1-3', 'lost'],
  ['others went on from what was left', '5-1', '9-2', '1-3', 'lost'],
  ['it began anew and has got further', '5-1', '9-2', '5-3', 'lost'],
  ['the stream has gone on, and keeps no more so much', '5-1', '900-2', '400-3', 'trimmed'],
  ['the stream itself is gone', '5-1', '9-2', '', 'lost'],
] as const)
  test(`${what}: ${want}`, () => assert.equal(judgeAbsence(seen, { last, oldest }), want))
