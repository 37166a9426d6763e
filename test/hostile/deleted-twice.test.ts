import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { DISCOVERY_PORT } from '../lab/lab.ts'
import { patient } from '../support/patience.ts'
import { Bed, Traffic } from './bed.ts'
import { type Step, stranger } from './stranger.ts'

const BACK_WITHIN_MS = 2_000
/** Who is deleted all the time waits longer each time before it comes back. */
const BACK_AFTER_MANY_MS = 10_000
const LIMIT_MS = 15_000
const MANY = 47
const MANY_EVERY_MS = 106

test('a node whose record a stranger deletes is back in the service at once', { skip }, async (t) => {
  await using bed = await Bed.make('twice', { isHonest: true })
  const { lab, mesh } = bed
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  const id = await bed.nodeId(bed.host('b'))
  const errand = async (...steps: Step[]): Promise<number> => {
    const { milliseconds } = await stranger(lab.internet, {
      endpoint: `${INTERNET_V4}:${DISCOVERY_PORT}`,
      clusterId: mesh.cluster.clusterId,
      steps: [...steps, { do: 'await', id, milliseconds: LIMIT_MS }],
    })
    return milliseconds.at(-1) ?? LIMIT_MS
  }
  const deleted: Step = { do: 'delete', id }

  await t.test('twice, shortly after each other', async () => {
    const took = await errand(deleted, { do: 'wait', milliseconds: 40 }, deleted)
    assert.ok(took < patient(BACK_WITHIN_MS), `back after ${Math.round(took)} ms`)
  })

  await t.test('again and again', async () => {
    const pause: Step = { do: 'wait', milliseconds: MANY_EVERY_MS }
    const took = await errand(...Array.from({ length: MANY }, () => [deleted, pause]).flat())
    assert.ok(took < patient(BACK_AFTER_MANY_MS), `back after ${Math.round(took)} ms`)
  })

  await t.test('and nobody loses a packet', () => traffic.assertUnharmed())
})
