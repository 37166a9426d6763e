import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planHarvest, planTelling } from '../../../../../kubespan/plan/paths/harvest.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { specOf, statusOf } from '../../../../support/peers.ts'

const endpoint = '203.0.113.9:40000' as AddressPort

test('endpoints of peers that are up are worth telling', () => {
  const specs = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
    specOf({ publicKey: name, nodeId: `node-${name}` }),
  )
  const statuses = new Map([
    ['a', statusOf({ state: 'up', endpoint })],
    ['b', statusOf({ state: 'down', endpoint })],
    ['c', statusOf({ state: 'up' })],
    ['d', statusOf({ state: 'up', endpoint: '127.0.0.1:9' as AddressPort })],
    ['e', statusOf({ state: 'up', endpoint })],
  ])
  assert.deepEqual(planHarvest(specs, statuses, new Set(['node-e'])), [
    { publicKey: 'a', nodeId: 'node-a', endpoint },
  ])
})

test('only what nobody announces is told, and what was told once is told on', () => {
  const specs = [
    specOf({ publicKey: 'a', nodeId: 'node-a', endpoints: [endpoint] }),
    specOf({ publicKey: 'b', nodeId: 'node-b', endpoints: [] }),
  ]
  const harvested = specs.map(({ publicKey, nodeId }) => ({ publicKey, nodeId, endpoint }))
  const told = planTelling(harvested, specs, new Map())
  assert.deepEqual([...told], [['node-b', [endpoint]]])
  const echoed = specs.map((spec) => ({ ...spec, endpoints: [endpoint] }))
  assert.deepEqual([...planTelling(harvested, echoed, told)], [['node-b', [endpoint]]])
  assert.deepEqual([...planTelling([], echoed, told)], [])
})
