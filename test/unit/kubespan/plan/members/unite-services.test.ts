import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ServiceReport, uniteServices } from '../../../../../kubespan/plan/members/unite-services.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const ttl = 1_800_000
const endpoint = (last: number) => `10.0.0.${last}:51820` as AddressPort

const record = (nodeId: string, changedAt: number, hostname = '', ...ports: number[]) =>
  [
    nodeId,
    { affiliate: affiliateOf({ nodeId, hostname, endpoints: ports.map(endpoint) }), changedAt },
  ] as const

const service = (
  name: string,
  records: ReturnType<typeof record>[],
  said: Partial<ServiceReport> = {},
): ServiceReport => ({
  name,
  isConnected: true,
  lastContactAt: 0,
  affiliates: new Map(records),
  departures: new Map(),
  ...said,
})

test('data comes from where it changed last, endpoints from everywhere', () => {
  const { raw, vouchers } = uniteServices(
    [
      service('b', [record('x', 5, 'new', 3, 1), record('y', 1)]),
      service('c', [record('x', 5, 'same age', 4)]),
      service('a', [record('x', 4, 'old', 1, 2)]),
    ],
    10,
    ttl,
  )
  assert.deepEqual(
    raw.map(({ rawId, affiliate }) => [rawId, affiliate.hostname, affiliate.kubespan.endpoints]),
    [
      ['service/x', 'new', [3, 1, 2, 4].map(endpoint)],
      ['service/y', '', []],
    ],
  )
  assert.deepEqual(
    [...vouchers],
    [
      ['x', ['a', 'b', 'c']],
      ['y', ['b']],
    ],
  )
})

test('a dead service changes nothing, until it would have forgotten the node itself', () => {
  const services = [service('dead', [record('x', 0)], { isConnected: false }), service('live', [])]
  assert.equal(uniteServices(services, ttl - 1, ttl).raw.length, 1)
  assert.equal(uniteServices(services, ttl, ttl).raw.length, 0)
})

test('while all are dead everything stays', () => {
  const services = [service('a', [record('x', 0)], { isConnected: false })]
  const { raw, isComplete } = uniteServices(services, 100 * ttl, ttl)
  assert.equal(raw.length, 1)
  assert.equal(isComplete, true)
})

test('a deletion seen by a live service counts against what a dead one said before', () => {
  const departures = new Map([['x', { at: 50, explicit: true }]])
  const ask = (dead: Partial<ServiceReport>) =>
    uniteServices([service('dead', [record('x', 0)], dead), service('live', [], { departures })], 60, ttl)

  const overtaken = ask({ isConnected: false, lastContactAt: 40 })
  assert.deepEqual([overtaken.raw.length, [...overtaken.explicitDeletions]], [0, ['x']])
  const later = ask({ isConnected: false, lastContactAt: 55 })
  assert.deepEqual([later.raw.length, later.explicitDeletions.size], [1, 0])
  assert.equal(ask({}).raw.length, 1, 'a live one is asked every time')
})

test('time that ran out is no wish', () => {
  const departures = new Map([['x', { at: 50, explicit: false }]])
  assert.equal(uniteServices([service('a', [], { departures })], 60, ttl).explicitDeletions.size, 0)
})

test('before the first snapshot nothing is known', () => {
  const silent = service('a', [], { isConnected: false, lastContactAt: undefined })
  assert.equal(uniteServices([silent], 0, ttl).isComplete, false)
  assert.equal(uniteServices([silent, service('b', [])], 0, ttl).isComplete, true)
})
