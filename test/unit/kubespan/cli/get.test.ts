import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { diffRows, type GetFormat, renderChanges, renderRows, rowsOf } from '../../../../kubespan/cli/get.ts'
import { findResource, RESOURCES, type ResourceType } from '../../../../kubespan/cli/resources.ts'
import { affiliateOf } from '../../../support/affiliates.ts'
import { daemonView, peerView } from '../../../support/daemon-view.ts'
import { hostView } from '../../../support/host-view.ts'

const typeOf = (name: string): ResourceType => {
  const type = findResource(name)
  assert.ok(type !== undefined, name)
  return type
}
const request = (name: string, format: GetFormat = 'table', id?: string) => ({
  type: typeOf(name),
  id,
  format,
  node: 'n1',
})

test('a resource is found by name or alias, in any case', () => {
  for (const [name, type] of [
    ['KubeSpanPeerStatus', 'KubeSpanPeerStatus'],
    ['kubespanpeerstatuses', 'KubeSpanPeerStatus'],
    ['kubespanpeerstatuses.kubespan', 'KubeSpanPeerStatus'],
    ['kubespanpeerstatuses.kubespan.talos.dev', 'KubeSpanPeerStatus'],
    ['kubespanpeerstatuses.kubes', undefined],
    ['ksps', 'KubeSpanPeerStatus'],
    ['ksis', 'KubeSpanIdentity'],
    ['kses', 'KubeSpanEndpoint'],
    ['affiliate', 'Affiliate'],
    ['links', 'LinkStatus'],
    ['ls', 'LinkStatus'],
    ['chain', 'NfTablesChain'],
    ['rules', 'RoutingRuleStatus'],
    ['rd', 'ResourceDefinition'],
    ['discoveredidentities', undefined],
    ['', undefined],
  ] as const)
    assert.equal(findResource(name)?.type, type, name)
})

test('affiliates as each source tells them are in a namespace of their own', () => {
  assert.equal(findResource('affiliates')?.namespace, 'cluster')
  assert.equal(findResource('affiliates', 'cluster')?.part, undefined)
  assert.equal(findResource('members', 'cluster-raw'), undefined)
  const type = findResource('affiliates', 'cluster-raw')
  assert.ok(type)
  const asked = { ...request('affiliates'), type }
  const raw = [
    {
      rawId: 'service/node-2',
      affiliate: affiliateOf({ nodeId: 'node-2', hostname: 'h2', machineType: 'worker' }),
    },
  ]
  assert.match(
    renderRows(asked, rowsOf(asked, { ...daemonView(), rawAffiliates: raw })),
    /\nn1 +cluster-raw +Affiliate +service\/node-2 +1 +h2 +worker +\[/,
  )
  assert.deepEqual(rowsOf(asked, daemonView()), [])
})

test('the types list themselves, under the names that Talos gives them', () => {
  const lines = renderRows(request('rd'), rowsOf(request('rd'), daemonView()))
    .trimEnd()
    .split('\n')
  assert.equal(lines.length, RESOURCES.length + 1)
  assert.match(
    lines[1] ?? '',
    /^n1 +meta +ResourceDefinition +kubespanidentities\.kubespan\.talos\.dev +1 +kubespanidentity ksi ksis$/,
  )
  assert.match(lines.join('\n'), /linkstatuses\.net\.talos\.dev +1 +link links linkstatus ls\n/)
})

test('what comes from other machines is shown, not obeyed', () => {
  const evil = daemonView({ peers: [peerView({ label: 'x\u001b]0;owned\u0007\u009b2J\u202e\n' })] })
  for (const format of ['table', 'wide', 'json', 'yaml'] as const) {
    const asked = request('kubespanpeerstatuses', format)
    const text = renderRows(asked, rowsOf(asked, evil))
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u, format)
    if (format === 'json')
      assert.equal(JSON.parse(text).spec.label, evil.peers[0]?.label, 'and nothing is lost')
    if (format === 'table') assert.match(text, /x\\u001b\]0;owned\\u0007\\u009b2J\\u202e\\u000a/)
  }
})

test('what is on the host has the ids and columns of Talos', () => {
  const view = { ...daemonView(), host: hostView() }
  const table = (name: string): string => renderRows(request(name), rowsOf(request(name), view))
  assert.match(table('links'), /LinkStatus +kubespan +1 +none +wireguard +unknown +true\n/)
  assert.match(table('addresses'), /AddressStatus +kubespan\/fd00::1\/64 +1 +fd00::1\/64 +kubespan\n/)
  assert.match(table('routes'), /180\/kubespan\/inet4\/\/0\.0\.0\.0\/0\/1 +1 +0\.0\.0\.0\/0 +kubespan +1\n/)
  assert.match(table('routes'), /::\/0 +unreachable +4294967295\n/)
  assert.match(table('rules'), /inet4\/32500 +1 +0x40\/0x60 +180 +32500\n/)
  assert.match(table('chains'), /openspan\/kubespan_outgoing +1 +route +output +0 +accept\n/)
  assert.match(table('sets'), /openspan\/routed_v4 +1 +ipv4_addr +1\n/)
  assert.deepEqual(rowsOf(request('links'), daemonView()), [], 'nobody looked')
})

test('tables have the columns that users know', () => {
  const asked = request('kubespanpeerstatuses')
  assert.equal(
    renderRows(asked, rowsOf(asked, daemonView())),
    `NODE   NAMESPACE   TYPE                 ID             VERSION   LABEL      ENDPOINT         STATE   RX     TX
n1     kubespan    KubeSpanPeerStatus   cGVlciBrZXk=   1         worker-2   10.0.0.2:51820   up      2048   100
`,
  )
})

test('every resource renders in every format, empty or not, and shows no private key', () => {
  const full = daemonView({
    affiliates: [
      {
        nodeId: 'a',
        addresses: [],
        hostname: 'h',
        nodename: 'n',
        operatingSystem: 'o',
        machineType: 'worker',
        controlPlane: undefined,
        isLocal: true,
        sources: [],
        unconfirmedUntil: 5,
        kubespan: {
          publicKey: '',
          address: undefined,
          additionalAddresses: [],
          excludeAdvertisedNetworks: [],
          endpoints: [],
        },
      },
    ],
    members: [
      {
        id: 'n',
        nodeId: 'a',
        hostname: 'h',
        machineType: 'worker',
        operatingSystem: 'o',
        addresses: [],
        controlPlane: undefined,
      },
    ],
    harvestedEndpoints: [{ publicKey: 'k', nodeId: 'a', endpoint: peerView().endpoints[0] as never }],
  })
  const bare = daemonView({ identity: undefined, cluster: undefined, peers: [] })
  for (const { type: name } of RESOURCES)
    for (const view of [full, bare])
      for (const format of ['table', 'wide', 'json', 'yaml'] as const) {
        const text = renderRows(request(name, format), rowsOf(request(name, format), view))
        assert.ok(text === '' || text.endsWith('\n'), `${name} ${format}`)
      }
  assert.match(
    renderRows(request('kubespanidentities', 'yaml'), rowsOf(request('kubespanidentities'), full)),
    /privateKey: .*redacted/,
  )
})

test('one resource by its id, with the field names of Talos', () => {
  const asked = request('kubespanpeerspecs', 'yaml', 'cGVlciBrZXk=')
  const { spec, metadata } = parse(renderRows(asked, rowsOf(asked, daemonView())))
  assert.deepEqual(spec, {
    address: 'fd00::2',
    allowedIPs: ['10.0.0.2/32', 'fd00::2/128'],
    endpoints: ['10.0.0.2:51820'],
    label: 'worker-2',
  })
  assert.equal(metadata.id, 'cGVlciBrZXk=')
  assert.equal(metadata.type, 'KubeSpanPeerSpecs.kubespan.talos.dev')
  assert.deepEqual(rowsOf(request('kubespanpeerspecs', 'yaml', 'other'), daemonView()), [])
})

test('a watch marks what appeared, changed and went', () => {
  const asked = request('kubespanpeerstatuses')
  const first = rowsOf(asked, daemonView())
  const started = diffRows([], first)
  assert.match(renderChanges(asked, started.changes, true), /^NODE +\* +NAMESPACE[^\n]*\nn1 +\+ +kubespan/)
  const changed = diffRows(started.rows, rowsOf(asked, daemonView({ peers: [peerView({ state: 'down' })] })))
  assert.match(renderChanges(asked, changed.changes, false), /^n1 +~ .* 2 .*down/)
  assert.deepEqual(diffRows(changed.rows, changed.rows).changes, [])
  const gone = diffRows(changed.rows, [])
  assert.match(renderChanges({ ...asked, format: 'json' }, gone.changes, false), /"event":"destroyed"/)
  assert.match(renderChanges({ ...asked, format: 'yaml' }, gone.changes, false), /event: destroyed/)
})
