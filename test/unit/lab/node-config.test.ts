import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../kubespan/config/parse.ts'
import { wanAttachment } from '../../lab/attachment.ts'
import { Box, LabHost } from '../../lab/box.ts'
import { nodeConfig } from '../../lab/node-config.ts'
import { ProcessGroup } from '../../lab/process.ts'
import { publicHost } from '../../lab/topology.ts'

const place = (name: string) => ({
  name,
  namespace: `lab.${name}`,
  directory: `/tmp/lab/${name}`,
  group: new ProcessGroup(),
})
const hostWith = (families: readonly (4 | 6)[], pod?: Box): LabHost =>
  new LabHost(place('a'), publicHost('a', { families }), 7, wanAttachment(7, families), pod)

const secret = Buffer.alloc(32, 1).toString('base64')
const options = { cluster: { clusterId: 'c', clusterSecret: secret }, discoveryPort: 3000 }
const parsed = (text: string) =>
  parseConfig('kubespan.yaml', text, { hostname: 'machine', operatingSystem: 'Test (1)' })

test('the daemon understands what is written for it', () => {
  const pod = new Box(place('a-pod'))
  const { settings, problems, warnings } = parsed(nodeConfig(hostWith([4, 6], pod), options))
  assert.deepEqual([problems, warnings], [[], []])
  assert.ok(settings.enabled && settings.advertiseKubernetesNetworks)
  assert.equal(settings.cluster?.id, 'c')
  assert.deepEqual(settings.services, [
    { name: 'lab', endpoint: { host: '192.0.2.8', port: 3000, plaintext: true } },
  ])
  assert.deepEqual(settings.node.podCidrs, ['10.244.7.0/24', 'fd10:244:7::/64'])
  assert.deepEqual(
    [settings.node.nodename, settings.node.stateDirectory, settings.node.runDirectory],
    ['a', '/tmp/lab/a/state', '/run/kubespan'],
  )
})

test('a host without IPv4 finds discovery over IPv6, and one without pods advertises none', () => {
  const { settings } = parsed(nodeConfig(hostWith([6]), options))
  assert.equal(settings.services[0]?.endpoint.host, '2001:db8:ff00::8')
  assert.deepEqual([settings.advertiseKubernetesNetworks, settings.node.podCidrs], [false, []])
})

test('tests may say otherwise', () => {
  const { settings, problems } = parsed(
    nodeConfig(hostWith([4, 6]), {
      ...options,
      timing: { reconcileEvery: '200ms' },
      services: ['http://192.0.2.8:1', 'http://192.0.2.8:2'],
      documents: {
        KubeSpanConfig: { mtu: 1300 },
        KubeSpanEndpointsConfig: { extraAnnouncedEndpoints: ['192.0.2.1:7'] },
        NodeConfig: { machineType: 'controlplane' },
      },
    }),
  )
  assert.deepEqual(problems, [])
  assert.deepEqual(
    [settings.timing.reconcileEvery, settings.mtuBytes, settings.node.machineType, settings.services.length],
    [200, 1300, 'controlplane', 2],
  )
  assert.deepEqual(settings.extraAnnouncedEndpoints, ['192.0.2.1:7'])
})
