import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines } from '../../../../discovery/transport/deadlines.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

function open(): { clock: ManualClock; deadlines: Deadlines<string>; over: string[] } {
  const clock = new ManualClock()
  const over: string[] = []
  return { clock, over, deadlines: new Deadlines(clock, 100, (key) => over.push(`${key} ${clock.now()}`)) }
}

test('each is over when its own time is over, with one timer for all', async () => {
  const { clock, deadlines, over } = open()
  const begin = clock.now()
  deadlines.add('a')
  deadlines.add('b')
  await clock.advance(60)
  deadlines.add('c')
  assert.equal(clock.armed, 1)
  await clock.advance(39)
  assert.deepEqual(over, [])
  await clock.advance(1000)
  assert.deepEqual(over, [`a ${begin + 100}`, `b ${begin + 100}`, `c ${begin + 160}`])
  assert.equal(clock.armed, 0)
})

test('who makes it in time is not, and the timer goes on for the others', async () => {
  const { clock, deadlines, over } = open()
  deadlines.add('a')
  await clock.advance(50)
  deadlines.add('b')
  deadlines.remove('a')
  deadlines.remove('a')
  await clock.advance(99)
  assert.deepEqual(over, [])
  await clock.advance(1)
  assert.equal(over.length, 1)
  deadlines.add('c')
  await clock.advance(100)
  assert.equal(over.length, 2)
  assert.equal(clock.armed, 0)
})

test('one that is over may bring the next, and nobody is left behind at the end', async () => {
  const clock = new ManualClock()
  let left = 2
  const deadlines: Deadlines<number> = new Deadlines(clock, 100, (key) => {
    if (left-- > 0) deadlines.add(key + 1)
  })
  deadlines.add(0)
  await clock.advance(1000)
  assert.equal(left, -1)
  deadlines.add(9)
  deadlines[Symbol.dispose]()
  assert.equal(clock.armed, 0)
  await clock.advance(1000)
  assert.equal(left, -1)
})
