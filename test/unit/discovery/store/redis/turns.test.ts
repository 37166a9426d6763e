import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../../../../discovery/store/redis/turns.ts'

test('who asks while a run is under way shares the next one, also after a failure', async () => {
  const runs: PromiseWithResolvers<number>[] = []
  const turns = new Turns(() => {
    const run = Promise.withResolvers<number>()
    runs.push(run)
    return run.promise
  })
  const first = turns.request()
  const second = turns.request()
  const third = turns.request()
  assert.equal(runs.length, 1)
  runs[0]?.reject(new Error('first'))
  await assert.rejects(first, /first/)
  await Promise.resolve()
  assert.equal(runs.length, 2)
  runs[1]?.resolve(2)
  assert.deepEqual(await Promise.all([second, third]), [2, 2])
  const fourth = turns.request()
  assert.equal(runs.length, 3)
  runs[2]?.resolve(3)
  assert.equal(await fourth, 3)
})
