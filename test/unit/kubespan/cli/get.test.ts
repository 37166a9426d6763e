import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { diffRows, type GetFormat, renderChanges, renderRows, rowsOf } from '../../../../kubespan/cli/get.ts'
import { findResource, RESOURCES, type ResourceType } from '../../../../kubespan/cli/resources.ts'
import { daemonView, peerView } from '../../../support/daemon-view.ts'

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
  assert.equal(findResource('KubeSpanPeerStatus')?.name, 'kubespanpeerstatuses')
  assert.equal(findResource('rd')?.type, 'ResourceDefinition')
  assert.equal(findResource('discoveredidentities'), undefined)
  assert.equal(
    renderRows(request('rd'), rowsOf(request('rd'), daemonView()))
      .trimEnd()
      .split('\n').length,
    RESOURCES.length + 1,
  )
})

test('tables have the columns that users know', () => {
  const asked = request('kubespanpeerstatuses')
  assert.equal(
    renderRows(asked, rowsOf(asked, daemonView())),
    `NODE  NAMESPACE  TYPE                ID            VERSION  LABEL     ENDPOINT        STATE  RX    TX
n1    kubespan   KubeSpanPeerStatus  cGVlciBrZXk=  1        worker-2  10.0.0.2:51820  up     2048  100
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
  for (const { name } of RESOURCES)
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
  assert.deepEqual(rowsOf(request('kubespanpeerspecs', 'yaml', 'other'), daemonView()), [])
})

test('a watch marks what appeared, changed and went', () => {
  const asked = request('kubespanpeerstatuses')
  const first = rowsOf(asked, daemonView())
  const started = diffRows([], first)
  assert.match(renderChanges(asked, started.changes, true), /^\* +NODE[^\n]*\n\+ +n1/)
  const changed = diffRows(started.rows, rowsOf(asked, daemonView({ peers: [peerView({ state: 'down' })] })))
  assert.match(renderChanges(asked, changed.changes, false), /^~ +n1 .* 2 .*down/)
  assert.deepEqual(diffRows(changed.rows, changed.rows).changes, [])
  const gone = diffRows(changed.rows, [])
  assert.match(renderChanges({ ...asked, format: 'json' }, gone.changes, false), /"event":"destroyed"/)
  assert.match(renderChanges({ ...asked, format: 'yaml' }, gone.changes, false), /event: destroyed/)
})
