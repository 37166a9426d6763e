import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { systemHostName, watchHostName } from '../../../../kubespan/sources/host-name.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

test('another name is told within a second, once', async () => {
  const clock = new ManualClock()
  let name = 'localhost'
  let told = 0
  const watch = watchHostName(
    clock,
    () => {
      told += 1
    },
    () => name,
  )
  await clock.advance(10_000)
  assert.equal(told, 0)
  name = 'worker-7'
  await clock.advance(1_000)
  assert.equal(told, 1)
  await clock.advance(10_000)
  assert.equal(told, 1)
  watch[Symbol.dispose]()
  assert.equal(clock.armed, 0)
  assert.equal(systemHostName(), hostname())
})
