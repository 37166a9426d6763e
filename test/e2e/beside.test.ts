import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Neighbour } from '../beside/neighbour.ts'
import { settingsOf } from '../beside/page.ts'
import { BY_HAND } from '../beside/rules.ts'
import { Trial } from '../beside/trial.ts'
import { assertNothingInClear, skip } from './story.ts'

test('beside other programs, whose rules are installed by hand, the mesh works and nothing leaves in clear', {
  skip,
}, async (t) => {
  await using trial = await Trial.start('e2ebeside')
  for (const neighbour of BY_HAND)
    await t.test(neighbour.name, async () => {
      try {
        await live(trial, neighbour)
      } finally {
        await trial.sh(neighbour.stop)
        if (settingsOf(neighbour.name).nodeConfig !== undefined) await trial.set(undefined)
      }
    })
  await trial.reaches()
  await assertNothingInClear(trial.lab)
})

/** They come, the operator sets what the page says, they are reloaded, we go and come again: they were there first then. */
async function live(trial: Trial, { name, start, works, footprint, events }: Neighbour): Promise<void> {
  const { sh } = trial
  const { nodeConfig } = settingsOf(name)
  await trial.nothingInClear(`${name} comes`, () => sh(start))
  await trial.nothingInClear('before anything is set', () => trial.knock())
  if (nodeConfig !== undefined) await trial.set(nodeConfig)
  await trial.reaches()
  for (const [event, script] of Object.entries(events)) {
    await trial.nothingInClear(event, () => sh(script))
    await trial.reaches()
  }
  await sh(works)
  const theirs = (await sh(footprint)).stdout
  await trial.down()
  assert.equal((await sh(footprint)).stdout, theirs, 'down leaves it as it was')
  await trial.up(nodeConfig)
  await trial.nothingInClear('the daemon comes after it', () => trial.reaches())
  await sh(works)
}
