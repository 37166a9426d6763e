import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pacer } from '../../../../shared/reconcile/pacer.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

function world() {
  const clock = new ManualClock()
  const acts: number[] = []
  const pacer = new Pacer(clock, { burst: 2, perSecond: 5 }, () => acts.push(clock.now()))
  return { clock, acts, pacer }
}

test('what is wanted now and then is done at once', async () => {
  const { clock, acts, pacer } = world()
  for (let turn = 0; turn < 3; turn += 1) {
    pacer.want()
    await clock.advance(1000)
  }
  assert.deepEqual(acts, [0, 1000, 2000])
})

test('what is wanted without pause is done as often as it may, and once more after the last time', async () => {
  const { clock, acts, pacer } = world()
  for (let turn = 0; turn < 50; turn += 1) {
    pacer.want()
    await clock.advance(10)
  }
  await clock.advance(1000)
  assert.deepEqual(acts, [0, 10, 200, 400, 600])
  assert.equal(clock.armed, 0)
})

test('after its end nothing is done', async () => {
  const { clock, acts, pacer } = world()
  for (let turn = 0; turn < 3; turn += 1) pacer.want()
  pacer[Symbol.dispose]()
  pacer.want()
  await clock.advance(1000)
  assert.deepEqual(acts, [0, 0])
  assert.equal(clock.armed, 0)
})
