import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import {
  formatMilliseconds,
  type Matrix,
  renderExplanations,
  renderMatrix,
  sumMatrix,
} from '../../lab/matrix.ts'
import type { Echo } from '../../lab/ping.ts'

const echo = (roundTripMilliseconds?: number): Echo => ({ address: '192.0.2.1', roundTripMilliseconds })

const matrix: Matrix = {
  title: 'node addresses',
  names: ['public1', 'natted', 'sym'],
  cells: [
    [[], [echo(0.42), echo(12.3)], [echo(0.2), echo()]],
    [[echo(1234)], [], [echo(), echo()]],
    [[echo()], [echo(0.5)], []],
  ],
}
const explain = (from: string, to: string): string | undefined =>
  [from, to].sort().join() === 'natted,sym' ? 'symmetric NAT against a port-restricted one' : undefined

test('a matrix shows the slowest answer, what is missing, and what cannot be', () => {
  assert.equal(
    stripVTControlCharacters(renderMatrix(matrix, explain)),
    `node addresses  2 of 6 pairs FAILED, 1 cannot
          public1  natted     sym
  public1       ·   12 ms     1/2
  natted    1.2 s       ·  no way
  sym      FAILED  0.5 ms       ·
`,
  )
})

test('a matrix without failures says so in its first line', () => {
  const whole: Matrix = {
    title: 'pods',
    names: ['a', 'b'],
    cells: [
      [[], [echo(1)]],
      [[echo(2)], []],
    ],
  }
  assert.match(stripVTControlCharacters(renderMatrix(whole, () => undefined)), /^pods {2}2 of 2 pairs\n/)
})

test('pairs are counted per direction; one that works although it need not counts as reached', () => {
  assert.deepEqual(sumMatrix(matrix, explain), { reached: 3, explained: 1, failed: 2 })
  assert.deepEqual(
    sumMatrix(matrix, () => undefined),
    { reached: 3, explained: 0, failed: 3 },
  )
})

test('a pair of which no address was asked has failed, not passed', () => {
  assert.deepEqual(
    sumMatrix(
      {
        title: '',
        names: ['a', 'b'],
        cells: [
          [[], []],
          [[], []],
        ],
      },
      () => undefined,
    ),
    { reached: 0, explained: 0, failed: 2 },
  )
})

test('each explained pair is told once', () => {
  assert.equal(
    stripVTControlCharacters(renderExplanations(matrix.names, explain)),
    '  no way  natted - sym: symmetric NAT against a port-restricted one\n',
  )
  assert.equal(
    renderExplanations(matrix.names, () => undefined),
    '',
  )
})

test('times fit into six characters', () => {
  const cases: [number, string][] = [
    [0.04, '0.0 ms'],
    [9.94, '9.9 ms'],
    [9.96, '10 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [9_960, '10 s'],
    [86_400_000, '86400 s'],
  ]
  for (const [milliseconds, text] of cases) assert.equal(formatMilliseconds(milliseconds), text)
})

test('eight hosts fit into a terminal of 80 columns', () => {
  const names = ['public1', 'public2', 'lan1', 'lan2', 'natted', 'cone', 'sym1', 'sym2']
  const cells = names.map(() => names.map(() => [echo(999)]))
  const lines = stripVTControlCharacters(renderMatrix({ title: 'x', names, cells }, () => undefined)).split(
    '\n',
  )
  assert.ok(Math.max(...lines.map((line) => line.length)) <= 80)
})
