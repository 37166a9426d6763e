import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slimNode, toRecord } from '../../../../../kubespan/sources/kubernetes/node-record.ts'
import { rawNode } from '../../../../support/kubernetes/fake-api.ts'
import { largeNode } from '../../../../support/kubernetes/large-node.ts'

const full = rawNode('n', {
  annotations: { 'cluster.talos.dev/node-id': 'id', other: 'x' },
  labels: { 'node-role.kubernetes.io/control-plane': '', other: 'x' },
  podCIDRs: ['10.244.1.0/24', 'fd01::/64'],
  providerID: 'aws:///x',
  machineID: 'm',
  internalIp: '192.0.2.1',
})

test('a slim Node tells the same, and is small', () => {
  for (const raw of [
    full,
    largeNode(7),
    { metadata: { name: 'bare' } },
    { spec: { podCIDR: '10.0.0.0/24' } },
    {},
  ])
    assert.deepEqual(toRecord(slimNode(raw)), toRecord(raw))
  const size = (value: unknown): number => JSON.stringify(value).length
  assert.ok(size(slimNode(largeNode(7))) * 10 < size(largeNode(7)))
})

test('a Node keeps its record while nothing that concerns us changes', () => {
  const before = toRecord(full)
  assert.ok(before)
  const beat = {
    ...full,
    metadata: { ...full.metadata, resourceVersion: '8', labels: { ...full.metadata?.labels, other: 'y' } },
  }
  const after = toRecord(beat, before)
  assert.equal(after?.affiliate, before.affiliate)
  assert.equal(after?.fingerprint, before.fingerprint)
  assert.equal(after?.resourceVersion, '8')
})

test('the old single pod network counts where there are no several', () => {
  assert.deepEqual(toRecord({ metadata: { name: 'n' }, spec: { podCIDR: '10.0.0.0/24' } })?.view.podCIDRs, [
    '10.0.0.0/24',
  ])
})
