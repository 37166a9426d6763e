import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PATIENCE_MS, peerOf, skip } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { DISCOVERY_PORT } from '../lab/lab.ts'
import { isUp } from '../lab/mesh.ts'
import { patient } from '../support/patience.ts'
import { Bed, Traffic } from './bed.ts'
import { type Step, stranger } from './stranger.ts'

/** With the nodes that are there it is as many as a cluster has room for, and one more. */
const RECORDS = 1022
const IN_WITHIN_MS = 5_000

test('a stranger that fills the cluster with records keeps nobody out', { skip }, async (t) => {
  await using bed = await Bed.make('crowd', {
    names: ['a', 'b', 'c', 'd'],
    later: ['d'],
    isHonest: true,
    // It would have to come from a hundred addresses else, or for a minute.
    discoveryFlags: ['-rate-limit=100000'],
  })
  const { lab, mesh } = bed
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => bed.host(name))
  assert.ok(a && b && c && d)
  const id = await bed.nodeId(c)
  const come = (...steps: Step[]) =>
    stranger(lab.internet, {
      endpoint: `${INTERNET_V4}:${DISCOVERY_PORT}`,
      clusterId: mesh.cluster.clusterId,
      steps,
    })
  await using traffic = await Traffic.between(lab, a, b, c)
  await come({ do: 'write', records: RECORDS })

  await t.test('a node whose place it takes', async () => {
    const steps: Step[] = [
      {
        do: 'together',
        steps: [
          { do: 'delete', id },
          { do: 'write', records: 1 },
        ],
      },
      { do: 'await', id, milliseconds: 3 * IN_WITHIN_MS },
    ]
    const { milliseconds, refused } = await come(...steps)
    if (process.env.TEST_VERBOSE) console.log('#', refused)
    const took = milliseconds.at(-1) ?? 0
    assert.ok(took < patient(IN_WITHIN_MS), `back after ${Math.round(took)} ms`)
  })

  await t.test('a new node', async () => {
    mesh.startDaemon(d)
    await mesh.until(d, (view) => view.identity !== undefined, PATIENCE_MS)
    await mesh.until(a, (view) => peerOf(view, d) !== undefined, IN_WITHIN_MS)
    await mesh.until(a, (view) => isUp(view, 'd'), PATIENCE_MS)
  })

  await t.test('and nobody loses a packet', () => traffic.assertUnharmed())
})
