import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../../kubespan/config/parse.ts'
import { MeshCounters } from '../../../../kubespan/controllers/counters.ts'
import { DiscoveryPool } from '../../../../kubespan/controllers/members/discovery-pool.ts'
import { MeshController } from '../../../../kubespan/controllers/mesh.ts'
import type { MeshHost } from '../../../../kubespan/controllers/mesh-host.ts'
import { describeDaemon } from '../../../../kubespan/controllers/view.ts'
import type { DesiredState } from '../../../../kubespan/model/desired.ts'
import type { KubernetesReport } from '../../../../kubespan/model/kubernetes.ts'
import type { ObservedLink } from '../../../../kubespan/model/observed.ts'
import { NO_SURROUNDINGS } from '../../../../kubespan/model/surroundings.ts'
import type { Affiliate } from '../../../../shared/affiliate/affiliate.ts'
import type { Address, AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { affiliateOf } from '../../../support/affiliates.ts'
import { FakeDiscovery } from '../../../support/fake-discovery.ts'
import { linkOf } from '../../../support/links.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const key = (number: number): string => Buffer.alloc(32, number).toString('base64')

const REPORT: KubernetesReport = {
  isSynced: true,
  hasCredentials: true,
  isConnected: true,
  lastContactAt: 0,
  endpoint: '192.0.2.100:6443',
  affiliates: new Map([
    [
      'you',
      affiliateOf({
        nodeId: 'you',
        nodename: 'other',
        publicKey: key(2),
        address: 'fd00::2' as Address,
        additionalAddresses: ['10.244.2.0/24' as Prefix],
        endpoints: ['192.0.2.2:51820' as AddressPort],
      }),
    ],
  ]),
  doubles: [],
  departures: new Set(),
  own: { name: 'ip-192-0-2-1', podCidrs: ['10.244.1.0/24', 'fd01::/64'] as Prefix[] },
  apiServers: ['192.0.2.1:6443', '192.0.2.100:6443'] as AddressPort[],
  problem: undefined,
}

/** A mesh with the Kubernetes registry alone, which reports what the test says. */
function world(node = '', enabled = 'true') {
  const { settings, problems } = parseConfig(
    'c.yaml',
    [
      `{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: ${enabled}, advertiseKubernetesNetworks: true}`,
      `{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: c, clusterSecret: "${key(7)}"}`,
      '{apiVersion: v1alpha1, kind: KubernetesRegistryConfig, kubeconfig: /k}',
      `{apiVersion: v1alpha1, kind: NodeConfig${node}}`,
    ].join('\n---\n'),
    { hostname: 'box', operatingSystem: '' },
  )
  assert.deepEqual(problems, [])
  let desired: DesiredState | undefined
  const host: MeshHost = {
    identity: async () => ({
      nodeId: 'me',
      publicKey: key(1),
      privateKey: '',
      address: 'fd00::1' as Address,
      subnet: 'fd00::/64' as Prefix,
    }),
    giveAddressUp: async () => {},
    affiliates: { load: async () => [], save: async () => {} },
    surroundings: async () => NO_SURROUNDINGS,
    links: async () => [
      {
        name: 'eth0',
        isUp: true,
        hasCarrier: true,
        isPhysical: true,
        mac: undefined,
        addresses: [{ address: '192.0.2.1' as Address, bits: 24, scope: 'global' }],
      },
    ],
    addressesOf: () => new Map(),
    wireguard: async () => undefined,
    resetPeers: async () => {},
    setEndpoints: async () => {},
    echo: async () => undefined,
    deafen: async () => {},
    paths: { load: async () => [], save: async () => {} },
    placements: { load: async () => [], save: async () => {} },
    removeGuards: async () => {},
    removeLink: async () => false,
    kickPeers: async () => {},
    apply: async (state) => {
      desired = state
      return { changes: 0, warnings: [] }
    },
    takeBack: async () => {},
  }
  const clock = new ManualClock()
  const log = { info: () => {}, warn: () => {} }
  const kubernetes = {
    report: REPORT as KubernetesReport | undefined,
    published: undefined as Affiliate | undefined,
    redials: 0,
    follow: async () => {},
    redial: () => {
      kubernetes.redials += 1
    },
    publish: (local: Affiliate) => {
      kubernetes.published = local
    },
  }
  const dial = new FakeDiscovery().dial
  const pool = new DiscoveryPool({ clock, random: () => 0.5, log, onChange: () => {}, dial })
  const mesh = new MeshController(
    { host, pool, kubernetes, racer: async () => undefined, clock, log, onChange: () => {} },
    settings,
  )
  const view = () =>
    describeDaemon({
      memory: mesh.memory,
      settings,
      services: [],
      kubernetes: kubernetes.report,
      version: '',
      pid: 1,
      startedAt: 0,
      counters: new MeshCounters().view,
      config: { problem: undefined, refusals: 0 },
      hasLeft: false,
      clock,
    })
  return { mesh, host, kubernetes, view, desired: () => desired }
}

test('a mesh of Kubernetes nodes alone: peers, our pod networks, our name', async () => {
  const { mesh, kubernetes, view, desired } = world()
  await mesh.pass()
  assert.deepEqual(
    desired()?.peers.map(({ allowedIps }) => allowedIps),
    [['10.244.2.0/24', 'fd00::2/128']],
  )
  assert.deepEqual(kubernetes.published?.kubespan.additionalAddresses, ['10.244.1.0/24', 'fd01::/64'])
  assert.equal(kubernetes.published?.nodename, 'ip-192-0-2-1')
  const shown = view()
  assert.deepEqual(shown.affiliates.find(({ nodeId }) => nodeId === 'you')?.sources, ['k8s'])
  assert.deepEqual(shown.kubernetes, {
    endpoint: '192.0.2.100:6443',
    connected: true,
    lastContactAt: shown.kubernetes?.lastContactAt,
    affiliates: 1,
    nodename: 'ip-192-0-2-1',
    podCidrs: ['10.244.1.0/24', 'fd01::/64'],
    problem: undefined,
  })
})

test('Nodes with one node id are told of, as ours or as that of others', async () => {
  const { mesh, kubernetes, view } = world()
  const doubles = [
    { nodeId: 'me', names: ['copy', 'ip-192-0-2-1'] },
    { nodeId: 'you', names: ['other', 'other-copy'] },
  ]
  kubernetes.report = { ...REPORT, doubles }
  await mesh.pass()
  assert.deepEqual(
    view().identityConflicts?.map(({ kind, isOwn, nodeIds }) => [kind, isOwn, nodeIds]),
    [
      ['node id', true, ['me']],
      ['node id', false, ['you']],
    ],
  )
  assert.match(
    mesh.memory.warnings.join('\n'),
    /Nodes copy and ip-192-0-2-1 carry one node id, .*reset-identity/,
  )
  assert.match(mesh.memory.warnings.join('\n'), /Nodes other and other-copy carry one node id/)
  kubernetes.report = REPORT
  await mesh.pass()
  assert.deepEqual(mesh.memory.warnings, [])
})

test('the API servers stay outside the tunnel; the one on this machine may answer outside', async () => {
  const { mesh, desired } = world()
  await mesh.pass()
  assert.deepEqual(desired()?.bypass?.destinations, ['192.0.2.100:6443'])
  assert.deepEqual(desired()?.bypass?.localPorts, [6443])
})

test('pod networks of the configuration go before those of the API', async () => {
  const { mesh, kubernetes } = world(', podCIDRs: [10.9.0.0/24]')
  await mesh.pass()
  assert.deepEqual(kubernetes.published?.kubespan.additionalAddresses, ['10.9.0.0/24'])
})

test('pod networks are followed', async () => {
  const { mesh, kubernetes } = world()
  kubernetes.report = { ...REPORT, own: undefined }
  await mesh.pass()
  assert.deepEqual(kubernetes.published?.kubespan.additionalAddresses, [])
  assert.equal(kubernetes.published?.nodename, 'box')
  kubernetes.report = { ...REPORT, own: { name: 'n', podCidrs: ['10.244.9.0/24' as Prefix] } }
  await mesh.pass()
  assert.deepEqual(kubernetes.published?.kubespan.additionalAddresses, ['10.244.9.0/24'])
})

test('what is wrong with the registry is a warning', async () => {
  const { mesh, kubernetes } = world()
  kubernetes.report = { ...REPORT, problem: 'HTTP 403' }
  await mesh.pass()
  assert.deepEqual(mesh.memory.warnings, ['kubernetes: HTTP 403'])
})

test('a host whose addresses changed watches over another connection; its own mesh link does not count', async () => {
  const { mesh, host, kubernetes } = world()
  const at = async (...links: readonly ObservedLink[]): Promise<void> => {
    host.links = async () => links
    mesh.suspectDrift()
    await mesh.pass()
  }
  const here = linkOf('eth0', ['192.0.2.7/24'])
  const there = linkOf('eth0', ['198.51.100.7/24'])
  const ours = linkOf('kubespan', ['fd00::1/128'])
  await at(here)
  await at(here, ours)
  assert.equal(kubernetes.redials, 0)
  await at(there, ours)
  assert.equal(kubernetes.redials, 1)
})

test('without KubeSpan nothing is said there', async () => {
  const { mesh, kubernetes } = world('', 'false')
  await mesh.pass()
  assert.equal(kubernetes.published, undefined)
})

test('nothing is let go of before it is known who is in the mesh, unless clear traffic is allowed anyway', async () => {
  const { mesh, kubernetes, desired } = world()
  kubernetes.report = { ...REPORT, isSynced: false, affiliates: new Map() }
  await mesh.pass()
  assert.equal(desired()?.isProvisional, true)
  kubernetes.report = REPORT
  await mesh.pass()
  assert.equal(desired()?.isProvisional, false)
  const lax = world('', 'true, allowDownPeerBypass: true')
  lax.kubernetes.report = { ...REPORT, isSynced: false }
  await lax.mesh.pass()
  assert.equal(lax.desired()?.isProvisional, false)
})

test('what a member claims without sense, and where a name server leads to one, is told and does nothing', async () => {
  const { mesh, kubernetes, view, desired } = world()
  const you = affiliateOf({
    nodeId: 'you',
    nodename: 'other',
    publicKey: key(2),
    address: 'fd00::2' as Address,
    addresses: ['192.0.2.1', '192.0.2.2'] as Address[],
    additionalAddresses: ['169.254.0.0/16', 'fd00::1/128'] as Prefix[],
  })
  kubernetes.report = {
    ...REPORT,
    affiliates: new Map([['you', you]]),
    resolvedApiServers: ['192.0.2.2:6443', '192.0.2.9:6443'] as AddressPort[],
  }
  await mesh.pass()
  assert.deepEqual(desired()?.peers[0]?.allowedIps, ['192.0.2.2/32', 'fd00::2/128'])
  // Should the address move away from here, what is sent to it goes nowhere.
  assert.deepEqual(desired()?.routedV4, ['192.0.2.1/32', '192.0.2.2/32'])
  assert.deepEqual(desired()?.bypass?.destinations, ['192.0.2.100:6443', '192.0.2.9:6443'])
  const { warnings } = view()
  for (const told of [
    'affiliate you claims what no other machine can have, which is refused: 169.254.0.0/16, fd00::1/128',
    '192.0.2.2:6443, an address of the API server, belongs to other, so it is reached through the tunnel only; bypass.destinations lets it pass by',
  ])
    assert.ok(warnings.includes(told), `${told}, in ${warnings.join('; ')}`)
  assert.ok(warnings.some((line) => line.includes('192.0.2.1') && line.includes('this host itself')))
})
