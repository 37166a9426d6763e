import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NODE_MATCHERS, type NodeMatcher } from '../../../../../kubespan/model/kubernetes.ts'
import { ANNOTATION } from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import { type MachineFacts, matchNode } from '../../../../../kubespan/sources/kubernetes/node-match.ts'
import { type NodeRecord, toRecord } from '../../../../../kubespan/sources/kubernetes/node-record.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { rawNode } from '../../../../support/kubernetes/fake-api.ts'

const nodes = (...raws: ReturnType<typeof rawNode>[]): ReadonlyMap<string, NodeRecord> =>
  new Map(raws.map((raw) => [raw.metadata?.name ?? '', toRecord(raw) as NodeRecord]))
const machine = (change: Partial<MachineFacts> = {}): MachineFacts => ({
  nodeName: undefined,
  hostnames: ['box'],
  machineId: '',
  providerId: '',
  addresses: [],
  ...change,
})
const match = (
  known: ReadonlyMap<string, NodeRecord>,
  facts: MachineFacts,
  by: readonly NodeMatcher[] = NODE_MATCHERS,
) => matchNode(known, facts, by, 'me')

test('by name: in lower case, with or without the domain', () => {
  const known = nodes(rawNode('box'), rawNode('other'))
  assert.deepEqual(match(known, machine()), { name: 'box', by: 'name' })
  assert.deepEqual(match(known, machine({ hostnames: ['BOX.example.com'] })), { name: 'box', by: 'name' })
  assert.deepEqual(match(nodes(rawNode('box.example.com')), machine({ hostnames: ['Box.Example.com'] })), {
    name: 'box.example.com',
    by: 'name',
  })
})

test('a configured name is the only way', () => {
  const known = nodes(rawNode('box'), rawNode('worker-1'))
  assert.deepEqual(match(known, machine({ nodeName: 'worker-1' })), { name: 'worker-1', by: 'name' })
  assert.deepEqual(match(known, machine({ nodeName: 'worker-2' })), {
    problem: 'there is no Node named worker-2',
  })
})

test('then by machine id, provider id and address, in the order that is configured', () => {
  const known = nodes(
    rawNode('a', { machineID: 'm1' }),
    rawNode('b', { providerID: 'aws:///b' }),
    rawNode('c', { internalIp: '10.0.0.3' }),
  )
  const facts = machine({ machineId: 'm1', providerId: 'aws:///b', addresses: ['10.0.0.3' as Address] })
  assert.deepEqual(match(known, facts), { name: 'a', by: 'machineID' })
  assert.deepEqual(match(known, facts, ['providerID', 'machineID']), { name: 'b', by: 'providerID' })
  assert.deepEqual(match(known, facts, ['address']), { name: 'c', by: 'address' })
})

test('IPv6 addresses are compared as addresses', () => {
  const known = nodes(rawNode('c', { internalIp: '2001:DB8:0:0::1' }))
  assert.deepEqual(match(known, machine({ addresses: ['2001:db8::1' as Address] })), {
    name: 'c',
    by: 'address',
  })
})

test('a way that fits several fits none', () => {
  const cloned = nodes(rawNode('a', { machineID: 'm' }), rawNode('b', { machineID: 'm' }))
  const result = match(cloned, machine({ machineId: 'm' }))
  assert.ok('problem' in result)
  assert.match(result.problem, /no Node is this machine by name, machine id.*machine id fits 2 Nodes/)
})

test('what we do not know fits nobody', () => {
  assert.ok('problem' in match(nodes(rawNode('a'), rawNode('b')), machine()))
})

test('a Node found by address that speaks with another id is left alone: sites share private addresses', () => {
  const facts = machine({ addresses: ['10.0.0.3' as Address] })
  const claimed = (id: string) =>
    nodes(rawNode('c', { internalIp: '10.0.0.3', annotations: { [ANNOTATION.nodeId]: id } }))
  const result = match(claimed('you'), facts)
  assert.ok('problem' in result)
  assert.match(result.problem, /Node c has one of our addresses and speaks with another node id/)
  assert.deepEqual(match(claimed('me'), facts), { name: 'c', by: 'address' })
})
