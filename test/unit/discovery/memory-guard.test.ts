import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseBounds, MemoryGuard, observeBounds, observeMemory } from '../../../discovery/memory-guard.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('the operator says how much, else it is four fifths; the heap has a bound of its own', () => {
  const bounds = { resident: 1000, heap: 500 }
  assert.deepEqual(chooseBounds(0, bounds), { resident: 800, heap: 400 })
  assert.deepEqual(chooseBounds(5000, bounds), { resident: 5000, heap: 400 })
})

test('what is observed is plausible', () => {
  const bounds = observeBounds()
  const use = observeMemory()
  assert.ok(use.heap > 0 && use.heap < bounds.heap)
  assert.ok(use.resident > 0 && use.resident < bounds.resident)
})

test('memory is looked at once a second', async () => {
  const clock = new ManualClock()
  let use = { resident: 10, heap: 10 }
  const guard = new MemoryGuard({ resident: 100, heap: 50 }, clock, () => use)
  guard.start()
  assert.equal(guard.isShort, false)
  for (const [resident, heap, isShort] of [
    [100, 10, true],
    [99, 49, false],
    [10, 50, true],
  ] as const) {
    use = { resident, heap }
    await clock.advance(1000)
    assert.equal(guard.isShort, isShort)
  }
  guard[Symbol.dispose]()
  assert.equal(clock.armed, 0)
})
