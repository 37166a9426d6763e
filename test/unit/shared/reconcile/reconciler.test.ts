import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reconciler } from '../../../../shared/reconcile/reconciler.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'

const fails = (error: unknown): never => assert.fail(String(error))

test('wakes that arrive during a pass become one more pass', async () => {
  const clock = new ManualClock()
  const gate = Promise.withResolvers<void>()
  let passes = 0
  await using loop = new Reconciler(
    async () => {
      passes += 1
      if (passes === 1) await gate.promise
      return {}
    },
    { clock, backoff: () => 1, onFailure: fails },
  )
  loop.wake()
  for (let i = 0; i < 50; i++) loop.wake()
  gate.resolve()
  await settle()
  assert.equal(passes, 2)
  assert.equal(clock.armed, 0)
})

test('a failing pass is tried again later, and a success forgets the failures', async () => {
  const clock = new ManualClock()
  const failures: number[] = []
  let healthy = false
  await using loop = new Reconciler(
    async () => {
      if (!healthy) throw new Error('nft: busy')
      return { again: 30_000 }
    },
    { clock, backoff: (n) => 100 * 2 ** n, onFailure: (_error, n) => failures.push(n) },
  )
  loop.wake()
  await settle()
  await clock.advance(200)
  assert.deepEqual(failures, [1, 2])
  healthy = true
  await clock.advance(400)
  healthy = false
  await clock.advance(30_000)
  assert.deepEqual(failures, [1, 2, 1])
})

test('disposal waits for the pass in flight, whose failure then is nobody’s news, and leaves no timer', async () => {
  const clock = new ManualClock()
  let finished = false
  {
    await using loop = new Reconciler(
      async (signal) => {
        await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))
        finished = true
        throw new Error('cancelled')
      },
      { clock, backoff: () => 1, onFailure: fails },
    )
    loop.wake()
  }
  assert.ok(finished)
  assert.equal(clock.armed, 0)
})

test('a wake after disposal does nothing', async () => {
  let passes = 0
  const loop = new Reconciler(
    async () => {
      passes += 1
      return {}
    },
    { clock: new ManualClock(), backoff: () => 1, onFailure: fails },
  )
  await loop[Symbol.asyncDispose]()
  loop.wake()
  await settle()
  assert.equal(passes, 0)
})

test('no wake is lost, however close to the end of a pass it falls', async () => {
  for (let depth = 0; depth < 12; depth++) {
    let passes = 0
    await using loop = new Reconciler(
      async () => {
        passes += 1
        return {}
      },
      { clock: new ManualClock(), backoff: () => 1, onFailure: fails },
    )
    loop.wake()
    for (let microtask = 0; microtask < depth; microtask++) await undefined
    loop.wake()
    await settle()
    assert.equal(passes, 2, `${depth} microtasks later`)
  }
})
