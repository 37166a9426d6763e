import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controlPlaneEndpoints, planMembers } from '../../../../../kubespan/plan/members/members.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const addresses = (...texts: string[]) => texts as Address[]

test('an affiliate becomes a member by its node name', () => {
  const members = planMembers([
    affiliateOf({ nodeId: 'x', nodename: 'worker-1', hostname: 'w1', operatingSystem: 'Debian' }),
    affiliateOf({ nodeId: 'nameless' }),
    affiliateOf({
      nodeId: 'y',
      nodename: 'cp-1',
      machineType: 'controlplane',
      controlPlane: { port: 6443 },
      addresses: addresses('10.0.0.1'),
    }),
  ])
  assert.deepEqual(
    members.map(({ id }) => id),
    ['cp-1', 'worker-1'],
  )
  assert.deepEqual(members[0], {
    id: 'cp-1',
    nodeId: 'y',
    hostname: '',
    machineType: 'controlplane',
    operatingSystem: '',
    addresses: ['10.0.0.1'],
    controlPlane: { port: 6443 },
  })
})

test('of two with one node name the higher node id is shown', () => {
  const twins = [affiliateOf({ nodeId: 'b', nodename: 'n' }), affiliateOf({ nodeId: 'a', nodename: 'n' })]
  assert.deepEqual(
    planMembers(twins).map(({ nodeId }) => nodeId),
    ['b'],
  )
})

test('control plane endpoints are those of both control plane types, ascending, duplicates and all', () => {
  const members = planMembers([
    affiliateOf({
      nodeId: '1',
      nodename: 'a',
      machineType: 'init',
      addresses: addresses('fd00::1', '10.0.0.9'),
    }),
    affiliateOf({ nodeId: '2', nodename: 'b', machineType: 'worker', addresses: addresses('10.0.0.1') }),
    affiliateOf({
      nodeId: '3',
      nodename: 'c',
      machineType: 'controlplane',
      addresses: addresses('10.0.0.9'),
    }),
    affiliateOf({ nodeId: '4', nodename: 'd', addresses: addresses('10.0.0.2') }),
  ])
  assert.deepEqual(controlPlaneEndpoints(members), ['10.0.0.9', '10.0.0.9', 'fd00::1'])
})
