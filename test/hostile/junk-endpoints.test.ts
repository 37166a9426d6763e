import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AddressPort } from '../../shared/net/address.ts'
import { PATIENCE_MS, peerOf, skip } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { DISCOVERY_PORT } from '../lab/lab.ts'
import { Bed, Traffic } from './bed.ts'
import { type Step, stranger } from './stranger.ts'

const IN_WITHIN_MS = 5_000

test('a node tells of a change although a stranger has filled its record', { skip }, async (t) => {
  await using bed = await Bed.make('junk', { isHonest: true })
  const { lab, mesh } = bed
  const [a, b] = ['a', 'b'].map((name) => bed.host(name))
  assert.ok(a && b)
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  const id = await bed.nodeId(b)
  const come = async (...steps: Step[]): Promise<void> => {
    const { refused } = await stranger(lab.internet, {
      endpoint: `${INTERNET_V4}:${DISCOVERY_PORT}`,
      clusterId: mesh.cluster.clusterId,
      steps,
    })
    if (process.env.TEST_VERBOSE) console.log('#', refused)
  }
  const announces = async (endpoint: string): Promise<void> => {
    mesh.writeConfig(b, { KubeSpanEndpointsConfig: { extraAnnouncedEndpoints: [endpoint] } })
    await mesh.kubespan(b, ['reload'])
    await mesh.until(
      a,
      (view) => peerOf(view, b)?.endpoints.includes(endpoint as AddressPort) === true,
      IN_WITHIN_MS,
    )
  }

  await t.test('with 62 endpoints that are none', async () => {
    await come({ do: 'add endpoints', id, count: 62 })
    await announces('198.18.9.1:51820')
  })

  await t.test('with 64 after it had deleted it', async () => {
    await come({
      do: 'together',
      steps: [
        { do: 'delete', id },
        { do: 'add endpoints', id, count: 64 },
      ],
    })
    await announces('198.18.9.2:51820')
  })

  await t.test('and is in the service', async () => {
    await come({ do: 'await', id, milliseconds: IN_WITHIN_MS })
    const { services } = await mesh.until(b, (view) => view.services[0]?.problem === undefined, PATIENCE_MS)
    assert.notEqual(services[0]?.isUnpublished, true)
    await traffic.assertUnharmed()
  })
})
