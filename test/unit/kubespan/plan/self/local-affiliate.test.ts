import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeLinks } from '../../../../../kubespan/plan/self/judge-links.ts'
import {
  explainLocalAffiliate,
  type LocalAffiliateInput,
  planLocalAffiliate,
} from '../../../../../kubespan/plan/self/local-affiliate.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { addressOn, flagged, linkOf } from '../../../../support/links.ts'

const own = 'fd00:0:0:2::1' as Address
const prefixes = (...texts: string[]) => texts as Prefix[]

const input: LocalAffiliateInput = {
  nodeId: 'me',
  hostname: 'host.example.org',
  nodename: 'host',
  machineType: 'worker',
  operatingSystem: 'Debian (13)',
  controlPlanePort: undefined,
  links: [
    linkOf('eth0', ['10.0.0.1/24']),
    linkOf('cni0', ['10.244.3.1/24'], { isPhysical: false }),
    linkOf('kubespan', [`${own}/64`], { isPhysical: false, hasCarrier: false, mac: undefined }),
  ],
  externalAddresses: [],
  publicAddresses: ['203.0.113.1'] as Address[],
  podCidrs: [],
  serviceCidrs: prefixes('10.96.0.0/12'),
  nodePodCidrs: prefixes('10.244.3.0/24'),
  identity: { publicKey: 'key', address: own },
  listenPort: 51820,
  settings: {
    advertiseKubernetesNetworks: false,
    excludeAdvertisedNetworks: prefixes('192.168.0.0/16'),
    endpointFilters: undefined,
    extraAnnouncedEndpoints: [],
  },
}

test('everything that a node says of itself', () => {
  assert.deepEqual(planLocalAffiliate(input), {
    nodeId: 'me',
    addresses: ['10.0.0.1', own],
    hostname: 'host.example.org',
    nodename: 'host',
    operatingSystem: 'Debian (13)',
    machineType: 'worker',
    kubespan: {
      publicKey: 'key',
      address: own,
      additionalAddresses: [],
      excludeAdvertisedNetworks: ['192.168.0.0/16'],
      endpoints: ['10.0.0.1:51820', '203.0.113.1:51820'],
    },
    controlPlane: undefined,
  })
})

test('nothing is said before everything is known', () => {
  for (const missing of [
    { hostname: '' },
    { nodename: '' },
    { machineType: 'unknown' },
    { links: undefined },
  ] as const)
    assert.equal(planLocalAffiliate({ ...input, ...missing }), undefined)
  assert.notEqual(planLocalAffiliate({ ...input, links: [] }), undefined, 'no link is knowledge too')
})

test('pod networks are advertised only when asked for, and only those of this node', () => {
  const settings = { ...input.settings, advertiseKubernetesNetworks: true }
  assert.deepEqual(
    planLocalAffiliate({ ...input, podCidrs: prefixes('10.244.0.0/16'), settings })?.kubespan
      .additionalAddresses,
    ['10.244.3.0/24'],
  )
})

test('the API server port is said by control plane nodes only', () => {
  const at = (machineType: LocalAffiliateInput['machineType'], controlPlanePort: number | undefined) =>
    planLocalAffiliate({ ...input, machineType, controlPlanePort })?.controlPlane
  assert.deepEqual(at('controlplane', 6443), { port: 6443 })
  assert.deepEqual(at('init', 7443), { port: 7443 })
  assert.equal(at('controlplane', undefined), undefined)
  assert.equal(at('worker', 6443), undefined)
})

test('without KubeSpan a node is an affiliate but no peer', () => {
  const { kubespan, addresses } =
    planLocalAffiliate({ ...input, identity: undefined }) ?? affiliateOf({ nodeId: '' })
  assert.deepEqual(kubespan, affiliateOf({ nodeId: 'me' }).kubespan)
  assert.deepEqual(addresses, ['10.0.0.1', own])
})

test('what was left out, and what is odd, is told', () => {
  const settings = { ...input.settings, endpointFilters: [] }
  const plan = explainLocalAffiliate({ ...input, settings })
  assert.deepEqual(plan?.affiliate.kubespan.endpoints, [])
  assert.deepEqual(plan?.warnings.length, 1)
  assert.deepEqual(
    plan?.dropped.map(({ address }) => address),
    ['10.244.3.1', own, '10.0.0.1', '203.0.113.1'],
  )
})

test('every address has an entry that says what became of it and why', () => {
  const links = judgeLinks(
    [
      linkOf('lo', [addressOn('127.0.0.1/8', 'host')], { isPhysical: false }),
      ...(input.links ?? []),
      linkOf('docker0', ['172.17.0.1/16'], { isPhysical: false }),
      linkOf('eth1', [
        flagged('2001:db8::1/64', 'deprecated'),
        flagged('2001:db8::2/64', 'tentative', 'dadfailed'),
      ]),
    ],
    { linkFilters: [], ownLinkName: 'kubespan' },
  )
  const plan = explainLocalAffiliate({
    ...input,
    links,
    externalAddresses: ['198.51.100.1'] as Address[],
    settings: {
      ...input.settings,
      extraAnnouncedEndpoints: [{ autoPort: 4500 }],
      endpointFilters: ['0.0.0.0/0', '!10.0.0.0/8'],
    },
  })
  const rows = plan?.report.addresses.map(({ address, from, endpoint, isRouted, reasons }) =>
    [address, from, endpoint ?? '-', isRouted, ...reasons].join(' | '),
  )
  assert.deepEqual(rows, [
    '127.0.0.1 | lo | - | false | of scope host',
    '10.0.0.1 | eth0 | - | true | the endpoint filters',
    '10.244.3.1 | cni0 | - | false | link cni0 leads to nobody else (filters.links: cni*)',
    `${own} | kubespan | - | true | our own address in the mesh`,
    '172.17.0.1 | docker0 | - | false | link docker0 leads to nobody else (filters.links: docker*)',
    '2001:db8::1 | eth1 | - | true | deprecated',
    '2001:db8::2 | eth1 | - | false | another machine on the link has it (dadfailed)',
    '198.51.100.1 | externalAddresses | 198.51.100.1:51820 | false | no link has it',
    '203.0.113.1 | discovery service | 203.0.113.1:51820 | false',
    '203.0.113.1 | extraAnnouncedEndpoints | 203.0.113.1:4500 | false',
  ])
  assert.deepEqual(plan?.report.leftOut, ['cni0', 'docker0', '2001:db8::2 (another machine has it)'])
})

test('what has no room says so, and one warning counts it', () => {
  const many = Array.from({ length: 250 }, (_, index) => `2001:db8::${(index + 1).toString(16)}/64`)
  const plan = explainLocalAffiliate({ ...input, links: [linkOf('eth0', many)] })
  const rows = plan?.report.addresses ?? []
  const { addresses, kubespan } = plan?.affiliate ?? affiliateOf({ nodeId: '' })
  const without = (test: (row: (typeof rows)[number]) => boolean) =>
    rows.filter((row) => test(row) && row.reasons.includes('no room in the record')).length
  assert.equal(
    without(({ isRouted, from }) => !isRouted && from === 'eth0'),
    250 - addresses.length,
  )
  assert.equal(
    without(({ endpoint }) => endpoint === null),
    251 - kubespan.endpoints.length,
  )
  assert.equal(kubespan.endpoints.length, 64)
  assert.equal(plan?.warnings.length, 1)
  assert.match(
    plan?.warnings[0] ?? '',
    new RegExp(`187 endpoints, ${250 - addresses.length} addresses of this host`),
  )
})
