import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Last } from '../../../shared/last.ts'

test('what was made last is answered again as long as its parts are identical', () => {
  const last = new Last<object>()
  const [a, b] = [{}, {}]
  const first = last.of([a, b], () => ({}))
  assert.equal(
    last.of([a, b], () => assert.fail()),
    first,
  )
  const rows: [readonly unknown[], string][] = [
    [[a], 'fewer'],
    [[a, {}], 'an equal one is another one'],
    [[b, a], 'another order'],
    [[b, a, undefined], 'more'],
  ]
  for (const [parts, why] of rows)
    assert.notEqual(
      last.of(parts, () => ({})),
      first,
      why,
    )
})

test('what could not be made is tried again', () => {
  const last = new Last<number>()
  assert.throws(() =>
    last.of([1], () => {
      throw new Error('no')
    }),
  )
  assert.equal(
    last.of([1], () => 2),
    2,
  )
})
