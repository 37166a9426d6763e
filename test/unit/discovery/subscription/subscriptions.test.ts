import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WatchedState } from '../../../support/watching.ts'

test('the first message is the whole cluster, also when it is empty', async () => {
  const state = new WatchedState()
  state.update('c', 'a')
  state.update('c', 'b')
  const full = state.watch('c')
  const empty = state.watch('nobody is here')
  await state.clock.advance(0)
  assert.deepEqual(full.take(), ['+a,b'])
  assert.deepEqual(empty.take(), ['+'])
  assert.equal(state.clusters.has('nobody is here'), false)
})

test('the first change goes out at once, later ones together after the interval', async () => {
  const state = new WatchedState()
  const watcher = state.watch('c')
  await state.clock.advance(1000)
  watcher.take()
  state.update('c', 'a')
  await state.clock.advance(0)
  assert.deepEqual(watcher.take(), ['+a'])
  state.update('c', 'b')
  await state.clock.advance(60)
  state.update('c', 'a', 'y')
  await state.clock.advance(39)
  assert.deepEqual(watcher.take(), [])
  await state.clock.advance(1)
  assert.deepEqual(watcher.take(), ['+b,a'])
})

test('deletions come in a message of their own, before the updates', async () => {
  const state = new WatchedState()
  for (const id of ['a', 'b', 'c']) state.update('c', id)
  const watcher = state.watch('c')
  await state.clock.advance(1000)
  watcher.take()
  state.update('c', 'd')
  state.clusters.delete('c', 'a')
  state.clusters.delete('c', 'b')
  state.update('c', 'b', 'anew')
  state.update('c', 'short')
  state.clusters.delete('c', 'short')
  await state.clock.advance(0)
  assert.deepEqual(watcher.take(), ['-a,b,short', '+d,b'])
  assert.deepEqual(watcher.lines(), ['b=anew[]', 'c=x[]', 'd=x[]'])
})

test('a deletion is told, whatever came before and after it within one flush', async () => {
  const state = new WatchedState()
  state.update('c', 'a')
  const owner = state.watch('c')
  await state.clock.advance(1000)
  owner.take()
  state.clusters.delete('c', 'a')
  state.update('c', 'a')
  await state.clock.advance(0)
  assert.deepEqual(owner.take(), ['-a', '+a'], 'deleted and set again: first the deletion, then the record')
  assert.deepEqual(owner.lines(), ['a=x[]'])
  state.clusters.delete('c', 'a')
  await state.clock.advance(100)
  assert.deepEqual(owner.take(), ['-a'])
  state.update('c', 'a') // the owner heard of it, and comes back …
  state.clusters.delete('c', 'a') // … and is deleted again: it was never shown its own record
  await state.clock.advance(100)
  assert.deepEqual(owner.take(), ['-a'])
})

test('a newcomer has its snapshot in step with the others, with no gap and no repetition', async () => {
  const state = new WatchedState()
  state.update('c', 'a')
  const old = state.watch('c')
  await state.clock.advance(0)
  state.update('c', 'b')
  const young = state.watch('c')
  state.update('c', 'd')
  assert.deepEqual(young.take(), [])
  await state.clock.advance(100)
  assert.deepEqual(old.take(), ['+a', '+b,d'])
  assert.deepEqual(young.take(), ['+a,b,d'])
  await state.clock.advance(1000)
  assert.deepEqual([old.take(), young.take()], [[], []])
})

test('watchers at the same revision are sent the same bytes', async () => {
  const state = new WatchedState()
  const watchers = [state.watch('c'), state.watch('c'), state.watch('c')]
  await state.clock.advance(1000)
  state.update('c', 'a')
  await state.clock.advance(0)
  for (const index of [0, 1])
    assert.equal(new Set(watchers.map(({ frames }) => frames[index])).size, 1, `frame ${index}`)
})

test('a watcher hears of its own cluster only, and of nothing after it closed', async () => {
  const state = new WatchedState()
  const watcher = state.watch('c')
  await state.clock.advance(1000)
  watcher.take()
  state.update('other', 'a')
  await state.clock.advance(1000)
  assert.deepEqual(watcher.take(), [])
  state.update('c', 'a')
  watcher.watcher?.close()
  watcher.watcher?.close()
  await state.clock.advance(1000)
  assert.deepEqual(watcher.take(), [])
  assert.equal(state.subscriptions.watchers, 0)
  assert.equal(state.clock.armed, 0)
})

test('refreshes that change nothing tell nobody (S2)', async () => {
  const state = new WatchedState()
  state.update('c', 'a', 'x', 1000, 'e')
  const watcher = state.watch('c')
  await state.clock.advance(500)
  watcher.take()
  state.update('c', 'a', 'x', 1000, 'e')
  await state.clock.advance(500)
  assert.deepEqual(watcher.take(), [])
  assert.equal(state.clock.armed, 0)
})

test('an expired endpoint is told as the affiliate without it (S1), an expired affiliate as deleted', async () => {
  const state = new WatchedState()
  state.update('c', 'a', 'x', 1000, 'e')
  state.update('c', 'a', 'x', 3000, 'f')
  const watcher = state.watch('c')
  await state.clock.advance(2000)
  watcher.take()
  state.clusters.sweep(state.clock.now())
  await state.clock.advance(100)
  assert.deepEqual([watcher.take(), watcher.lines()], [['+a'], ['a=x[f]']])
  await state.clock.advance(2000)
  state.clusters.sweep(state.clock.now())
  await state.clock.advance(100)
  assert.deepEqual([watcher.take(), watcher.lines()], [['-a'], []])
})

test('a slow watcher skips ahead to the newest state (S16)', async () => {
  const state = new WatchedState()
  state.update('c', 'a')
  const slow = state.watch('c')
  const quick = state.watch('c')
  slow.isSlow = true
  await state.clock.advance(1000)
  for (const data of ['1', '2', '3']) {
    state.update('c', 'a', data)
    state.update('c', data)
    await state.clock.advance(1000)
  }
  state.clusters.delete('c', '1')
  await state.clock.advance(1000)
  assert.deepEqual(slow.take(), ['+a'])
  assert.deepEqual(quick.take(), ['+a', '+a,1', '+a,2', '+a,3', '-1'])
  slow.catchUp()
  await state.clock.advance(0)
  assert.deepEqual(slow.take(), ['-1', '+2,a,3'])
  assert.deepEqual(slow.lines(), quick.lines())
})

test('who takes nothing for a minute is dropped', async () => {
  const state = new WatchedState()
  const slow = state.watch('c')
  slow.isSlow = true
  await state.clock.advance(59_000)
  assert.equal(slow.ended, undefined)
  await state.clock.advance(16_000)
  assert.equal(slow.ended, 'aborted')
  assert.deepEqual(state.aborted, ['stalled'])
  assert.equal(state.subscriptions.watchers, 0)
  assert.equal(state.clock.armed, 0)
})

test('who takes some of a long message now and then is not', async () => {
  const state = new WatchedState()
  const slow = state.watch('c')
  const pinging = state.watch('c')
  slow.isSlow = true
  pinging.isSlow = true
  for (let quarter = 0; quarter < 20; quarter += 1) {
    slow.bytesTaken += 5000
    pinging.bytesTaken += 17 // pings go over the same connection
    await state.clock.advance(15_000)
  }
  assert.equal(slow.ended, undefined)
  assert.equal(pinging.ended, 'aborted')
  slow.catchUp()
  await state.clock.advance(120_000)
  assert.equal(slow.ended, undefined)
  assert.equal(state.clock.armed, 0)
})

test('who is too many deletions behind is dropped', async () => {
  const state = new WatchedState()
  for (let count = 0; count < 1000; count += 1) state.update('c', `a${count}`)
  const slow = state.watch('c')
  const quick = state.watch('c')
  slow.isSlow = true
  await state.clock.advance(0)
  for (let count = 0; count < 5; count += 1) {
    for (let index = 0; index < 1000; index += 1) {
      state.clusters.delete('c', `a${count * 1000 + index}`)
      state.update('c', `a${(count + 1) * 1000 + index}`)
    }
    await state.clock.advance(1000)
  }
  assert.equal(quick.view.size, 1000)
  slow.catchUp()
  await state.clock.advance(1000)
  assert.equal(slow.ended, 'aborted')
  assert.deepEqual(state.aborted, ['behind'])
  assert.equal(quick.ended, undefined)
})

test('watchers of clusters that are not served any more are sent away, and only they', async () => {
  const state = new WatchedState()
  const [gone, slow, kept] = [state.watch('gone'), state.watch('gone'), state.watch('kept')]
  slow.isSlow = true
  await state.clock.advance(0)
  assert.equal(
    state.subscriptions.keepOnly((clusterId) => clusterId === 'kept'),
    2,
  )
  assert.deepEqual([gone.ended, slow.ended, kept.ended], ['forbidden', 'forbidden', undefined])
  assert.equal(state.subscriptions.watchers, 1)
  state.update('gone', 'a')
  state.update('kept', 'b')
  await state.clock.advance(1000)
  assert.deepEqual(gone.take(), ['+'])
  assert.deepEqual(kept.take(), ['+', '+b'])
  assert.deepEqual(state.aborted, [])
  assert.equal(state.clock.armed, 0)
})

test('what comes and goes again and again while nobody looks is told as gone, once', async () => {
  const state = new WatchedState()
  const slow = state.watch('c')
  slow.isSlow = true
  await state.clock.advance(0)
  for (let count = 0; count < 5000; count += 1) {
    state.update('c', 'a')
    state.clusters.delete('c', 'a')
    if (count % 1000 === 0) await state.clock.advance(1000)
  }
  slow.catchUp()
  state.update('c', 'b')
  await state.clock.advance(1000)
  assert.deepEqual(slow.messages, ['+', '-a', '+b'])
})

test('when the service stops, watches end well', async () => {
  const state = new WatchedState()
  const watchers = [state.watch('c'), state.watch('c'), state.watch('d')]
  watchers[0]?.catchUp()
  await state.clock.advance(0)
  state.update('c', 'a')
  state.subscriptions.endAll()
  assert.deepEqual(
    watchers.map(({ ended }) => ended),
    ['ended', 'ended', 'ended'],
  )
  assert.equal(state.clock.armed, 0)
})

test('flushes are counted, and what watchers were spared', async () => {
  const state = new WatchedState()
  state.watch('c')
  state.watch('c')
  await state.clock.advance(1000)
  for (const data of ['1', '2', '3']) state.update('c', 'a', data)
  state.update('c', 'b')
  await state.clock.advance(1000)
  assert.deepEqual(state.flushes, ['2 told, 0 spared', '2 told, 4 spared'])
})
