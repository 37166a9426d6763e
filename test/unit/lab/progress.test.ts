import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { Progress } from '../../lab/progress.ts'

class Screen {
  text = ''
  readonly isTTY: boolean
  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }
  write(text: string): void {
    this.text += text
  }
}

test('a terminal has one line per step, which changes', () => {
  const screen = new Screen(true)
  let now = 0
  const progress = new Progress(screen, () => now)
  progress.start('waiting')
  now = 100
  progress.update('1 of 2')
  now = 1500
  progress.done('mesh')
  assert.equal(screen.text.split('\n').length, 2)
  assert.deepEqual(
    stripVTControlCharacters(screen.text)
      .split('\r')
      .map((line) => line.slice(1).trim()),
    ['', 'waiting 0.0 s', '1 of 2 0.1 s', 'k mesh 1.5 s'],
  )
})

test('elsewhere news comes in lines, not too often, and never twice', () => {
  const screen = new Screen(false)
  let now = 0
  const progress = new Progress(screen, () => now)
  progress.start('waiting')
  progress.update('too soon')
  now = 600
  progress.update('1 of 2')
  now = 1200
  progress.update('1 of 2')
  progress.fail('no mesh')
  assert.deepEqual(stripVTControlCharacters(screen.text).split('\n'), [
    '... waiting',
    '... 1 of 2 (0.6 s)',
    'FAILED no mesh 1.2 s',
    '',
  ])
})
