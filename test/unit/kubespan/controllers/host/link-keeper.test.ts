import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinkKeeper } from '../../../../../kubespan/controllers/host/link-keeper.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { settingsOf } from '../../../../support/settings.ts'

test('links are looked at when they must be, and when it is long ago', async () => {
  const clock = new ManualClock()
  let looks = 0
  const settings = settingsOf()
  const keeper = new LinkKeeper(async () => {
    looks += 1
    return []
  }, clock)
  const looksAfter = async (mustLook: boolean): Promise<number> => {
    await keeper.links(mustLook, { ...settings, timing: { ...settings.timing, reconcileEvery: 1_000 } })
    return looks
  }
  assert.equal(await looksAfter(false), 1, 'nothing is known at first')
  assert.equal(await looksAfter(false), 1)
  assert.equal(await looksAfter(true), 2)
  await clock.advance(999)
  assert.equal(await looksAfter(false), 2)
  await clock.advance(1)
  assert.equal(await looksAfter(false), 3)
})
