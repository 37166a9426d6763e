import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep, within } from '../../../shared/waiting.ts'
import { Wake } from '../../../shared/wake.ts'
import { ManualClock, settle } from '../../support/manual-clock.ts'

const never = new AbortController().signal

test('a wake before the wait counts once, however often it came', async () => {
  const wake = new Wake()
  wake.set()
  wake.set()
  await wake.wait(never)
  let woken = false
  const waiting = wake.wait(never).then(() => {
    woken = true
  })
  await settle()
  assert.equal(woken, false)
  wake.set()
  await waiting
})

test('a wait ends when it is cancelled', async () => {
  const stop = new AbortController()
  const waiting = new Wake().wait(stop.signal)
  stop.abort()
  await waiting
  await new Wake().wait(stop.signal)
})

test('a sleep ends by time or by signal, and leaves no timer', async () => {
  const clock = new ManualClock()
  const stop = new AbortController()
  const asleep = sleep(clock, 1000, never)
  await clock.advance(1000)
  await asleep
  const cut = sleep(clock, 1000, stop.signal)
  stop.abort()
  await cut
  await sleep(clock, 1000, stop.signal)
  assert.equal(clock.armed, 0)
})

test('work that takes too long is cancelled and given up', async () => {
  const clock = new ManualClock()
  assert.equal(await within(clock, 1000, never, 'it', async () => 7), 7)
  let cancelled = false
  const working = within(clock, 1000, never, 'it', (signal) => {
    signal.addEventListener('abort', () => {
      cancelled = true
    })
    return new Promise(() => {})
  })
  const refused = assert.rejects(working, /it took longer than 1 s/)
  await clock.advance(1000)
  await refused
  assert.equal(cancelled, true)
  assert.equal(clock.armed, 0)
})
