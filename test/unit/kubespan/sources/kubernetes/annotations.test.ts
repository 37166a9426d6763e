import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ANNOTATION,
  fromNode,
  toAnnotations,
} from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address, AddressPort, Prefix } from '../../../../../shared/net/address.ts'

const FULL: Affiliate = {
  nodeId: 'id',
  addresses: ['10.0.0.2', '2001:db8::2'] as Address[],
  hostname: 'cp1.example',
  nodename: 'cp1',
  operatingSystem: 'Debian 13',
  machineType: 'controlplane',
  kubespan: {
    publicKey: 'key=',
    address: 'fd00::2' as Address,
    additionalAddresses: ['10.244.0.0/24', 'fd01::/64'] as Prefix[],
    excludeAdvertisedNetworks: ['192.168.0.0/16'] as Prefix[],
    endpoints: ['10.0.0.2:51820', '[2001:db8::2]:51820'] as AddressPort[],
  },
  controlPlane: { port: 6443 },
}

const NODE = {
  name: 'cp1',
  labels: { 'node-role.kubernetes.io/control-plane': '' },
  addresses: [
    { type: 'InternalIP', address: '10.0.0.2' },
    { type: 'Hostname', address: 'cp1.example' },
    { type: 'Hostname', address: 'second' },
  ],
  osImage: 'Debian 13',
}

const withAnnotations = (annotations: Record<string, string>) =>
  fromNode({ name: 'n', annotations: { [ANNOTATION.nodeId]: 'id', ...annotations } })

test('what is pushed can be pulled again', () => {
  assert.deepEqual(fromNode({ ...NODE, annotations: toAnnotations(FULL) }), FULL)
})

test('what an affiliate does not have is an empty value, so that the key goes', () => {
  const empty: Affiliate = {
    ...FULL,
    addresses: [],
    kubespan: {
      publicKey: '',
      address: undefined,
      additionalAddresses: [],
      excludeAdvertisedNetworks: [],
      endpoints: [],
    },
    controlPlane: undefined,
  }
  const { [ANNOTATION.nodeId]: nodeId, ...others } = toAnnotations(empty)
  assert.equal(nodeId, 'id')
  assert.equal(Object.keys(others).length, 7)
  assert.deepEqual([...new Set(Object.values(others))], [''])
})

test('a node without the node id says nothing, one with an empty id does', () => {
  for (const annotations of [{}, null, undefined, { [ANNOTATION.addresses]: '10.0.0.1' }])
    assert.equal(fromNode({ name: 'n', annotations }), undefined)
  const said = fromNode({
    name: 'n',
    annotations: { [ANNOTATION.nodeId]: '' },
    labels: null,
    addresses: null,
  })
  assert.deepEqual(said, {
    nodeId: '',
    addresses: [],
    hostname: '',
    nodename: 'n',
    operatingSystem: '',
    machineType: 'worker',
    kubespan: {
      publicKey: '',
      address: undefined,
      additionalAddresses: [],
      excludeAdvertisedNetworks: [],
      endpoints: [],
    },
    controlPlane: undefined,
  })
})

test('items that do not parse are left out one by one; spaces are not forgiven', () => {
  const said = withAnnotations({
    [ANNOTATION.addresses]: 'fe80::1%eth0,01.2.3.4, 10.0.0.1,::ffff:1.2.3.4,',
    [ANNOTATION.kubespanAddress]: 'nonsense',
    [ANNOTATION.additionalAddresses]: '10.0.0.0/33,10.1.2.3/8,10.0.0.1',
    [ANNOTATION.excludeAdvertisedNetworks]: 'x',
    [ANNOTATION.endpoints]: '10.0.0.1:51820,[::1]:x,10.0.0.1',
  })
  assert.deepEqual(said?.addresses, ['fe80::1%eth0', '::ffff:1.2.3.4'])
  assert.equal(said?.kubespan.address, undefined)
  assert.deepEqual(said?.kubespan.additionalAddresses, ['10.1.2.3/8'])
  assert.deepEqual(said?.kubespan.excludeAdvertisedNetworks, [])
  assert.deepEqual(said?.kubespan.endpoints, ['10.0.0.1:51820'])
})

test('any integer is a port of the API server', () => {
  for (const [text, port] of [
    ['6443', 6443],
    ['-1', -1],
    ['+7', 7],
    ['007', 7],
  ] as const)
    assert.deepEqual(withAnnotations({ [ANNOTATION.apiServerPort]: text })?.controlPlane, { port })
  for (const text of ['', ' 1', '1.0', '0x1', 'a', '99999999999999999999'])
    assert.equal(withAnnotations({ [ANNOTATION.apiServerPort]: text })?.controlPlane, undefined, text)
})

test('the role is a label, whatever its value', () => {
  const typeWith = (labels: Record<string, string>) =>
    fromNode({ name: 'n', labels, annotations: { [ANNOTATION.nodeId]: 'id' } })?.machineType
  assert.equal(typeWith({ 'node-role.kubernetes.io/control-plane': 'false' }), 'controlplane')
  assert.equal(typeWith({ 'node-role.kubernetes.io/master': '' }), 'worker')
})
