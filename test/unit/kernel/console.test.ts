import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileResult, readConsole, renderResults } from '../../kernel/console.ts'

const read = (...lines: readonly string[]): FileResult => {
  const [result] = readConsole(lines.join('\r\n'), ['test/e2e/x.test.ts'])
  assert.ok(result)
  return result
}

test('of files that run at once, each has its own lines', () => {
  const console = [
    ...['guest: Linux 6.1', 'x: begins', 'y: begins', 'x: ok one (3 ms)', 'y: skipped two: no need'],
    ...['y: 0 passed, 0 failed, 1 skipped', 'y: ended with 0 after 12 s'],
    ...['x: 1 passed, 0 failed, 0 skipped', 'x: ended with 0 after 34 s', ''],
  ].join('\r\n')
  const results = readConsole(console, ['a/x.test.ts', 'b/y.test.ts'])
  assert.deepEqual(
    results.map(({ passed, failed, skipped, seconds, problem }) => [
      ...[passed, failed, skipped, seconds],
      problem,
    ]),
    [
      [1, 0, 0, 34, undefined],
      [0, 0, 1, 12, undefined],
    ],
  )
  assert.match(
    renderResults(results),
    /^ok {5}a\/x\.test\.ts +34 s {2}1 passed, 0 failed, 0 skipped\nok [^\n]+\n1 passed, 0 failed, 1 skipped\n$/,
  )
})

test('a file that dies is said to, by what, and what it said last', () => {
  const killed = read(
    'x: begins',
    'x: 1 passed, 0 failed, 0 skipped',
    'x: what',
    'x: ended with 139 after 3 s',
  )
  assert.equal(killed.problem, 'ended by SIGSEGV')
  assert.deepEqual(killed.lastLines.slice(-2), ['what', 'ended with 139 after 3 s'])
  const text = renderResults([killed])
  assert.match(text, /FAILED .*: ended by SIGSEGV\n {7}\| begins\n/)
  assert.match(text, /\n1 passed, 1 failed, 0 skipped\n$/)
  const problems = [
    read('guest: Linux 6.1'),
    read('x: begins', 'x: ok one (3 ms)'),
    read('x: begins', 'x: ended with 124 after 900 s'),
    read('x: begins', 'x: ended with 1 after 1 s'),
    read('x: begins', 'x: 3 passed, 0 failed, 0 skipped', 'x: ended with 1 after 1 s'),
    read('x: begins', 'x: 0 passed, 0 failed, 0 skipped', 'x: ended with 0 after 1 s'),
    read('x: begins', 'x: ended with 227 after 1 s'),
  ].map(({ problem }) => problem)
  assert.deepEqual(problems, [
    'never began',
    'the machine ended before it did',
    'not at an end in time',
    'ended with 1, without a result',
    'ended with 1, though no test failed',
    'no test ran',
    'ended by signal 99',
  ])
})

test('what fails has been told in full already', () => {
  const { problem, lastLines } = read('x: 2 passed, 1 failed, 0 skipped', 'x: ended with 1 after 5 s')
  assert.deepEqual([problem, lastLines], ['1 failed', []])
})
