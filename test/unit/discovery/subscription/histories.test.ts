import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StateModel } from '../../../support/state-model.ts'
import { type FakeWatcher, WatchedState } from '../../../support/watching.ts'

const ID = fc.constantFrom('a', 'b', 'c', 'd')
const WATCHER = fc.nat(2)

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      id: ID,
      data: fc.constantFrom('', 'x', 'y'),
      endpoints: fc.subarray(['p', 'q', 'r']),
      ttl: fc.constantFrom(50, 300, 2000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), id: ID }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), by: fc.constantFrom(0, 1, 40, 100, 700) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('watch' as const), who: WATCHER }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), who: WATCHER }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('slow' as const), who: WATCHER }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('catch up' as const), who: WATCHER }) },
)

/** Applies one step to the real thing and to the model. */
async function take(
  each: typeof step extends fc.Arbitrary<infer T> ? T : never,
  state: WatchedState,
  model: StateModel,
  watchers: (FakeWatcher | undefined)[],
): Promise<void> {
  const { clock, clusters } = state
  switch (each.kind) {
    case 'update':
      state.update('c', each.id, each.data, each.ttl, ...each.endpoints)
      model.update('c', each.id, { ...each, until: clock.now() + each.ttl })
      return
    case 'delete':
      clusters.delete('c', each.id)
      model.delete('c', each.id)
      return
    case 'sweep':
      clusters.sweep(clock.now())
      model.sweep(clock.now())
      return
    case 'pass':
      return clock.advance(each.by)
    case 'watch':
      watchers[each.who] ??= state.watch('c')
      return
    case 'close':
      watchers[each.who]?.watcher?.close()
      watchers[each.who] = undefined
      return
    case 'slow':
      if (watchers[each.who] !== undefined) (watchers[each.who] as FakeWatcher).isSlow = true
      return
    case 'catch up':
      return watchers[each.who]?.catchUp()
  }
}

test('after any history every watcher that reads has what the model has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (history) => {
      const state = new WatchedState()
      const model = new StateModel()
      const watchers: (FakeWatcher | undefined)[] = []
      for (const each of history) await take(each, state, model, watchers)
      for (const watcher of watchers) watcher?.catchUp()
      await state.clock.advance(1000)
      for (const watcher of watchers) {
        if (watcher === undefined) continue
        assert.equal(watcher.ended, undefined)
        assert.deepEqual(watcher.lines(), model.view('c'))
        assert.equal(watcher.messages.slice(1).includes('+'), false, 'only the snapshot may be empty')
      }
      for (const watcher of watchers) watcher?.watcher?.close()
      assert.equal(state.clock.armed, 0)
      assert.equal(state.subscriptions.watchers, 0)
    }),
    { numRuns: 10_000 },
  )
})
