import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../../shared/duration.ts'

test('durations are read as Go reads them', () => {
  for (const [text, milliseconds] of [
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['30m1h', 5_400_000],
    ['250ms', 250],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1.s', 1000],
    ['-1.5h', -5_400_000],
    ['+2s', 2000],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['30ns', 0.00003],
    ['2562047h', 2_562_047 * 3_600_000],
  ] as const)
    assert.equal(parseDuration(text), milliseconds, text)
})

test('what is no duration is refused', () => {
  for (const text of [
    '',
    '-',
    '10',
    's',
    '.s',
    '1 s',
    ' 1s',
    '1s ',
    '1d',
    '1S',
    '--1s',
    '1h-1m',
    '1e3s',
    '1,5s',
  ])
    assert.equal(parseDuration(text), undefined, text)
  assert.equal(parseDuration('2562048h'), undefined, 'beyond 64 bits of nanoseconds')
})

test('durations are written short, and read back', () => {
  for (const [milliseconds, text] of [
    [0, '0s'],
    [600_000, '10m'],
    [5_400_000, '1h30m'],
    [1500, '1s500ms'],
    [250, '250ms'],
    [0.5, '0.5ms'],
    [-1000, '-1s'],
  ] as const)
    assert.equal(formatDuration(milliseconds), text)
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (milliseconds) => {
      assert.equal(parseDuration(formatDuration(milliseconds)), milliseconds)
    }),
  )
})
