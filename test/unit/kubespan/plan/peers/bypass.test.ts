import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObservedLink } from '../../../../../kubespan/model/observed.ts'
import { planBypass } from '../../../../../kubespan/plan/peers/bypass.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'

const link = (address: string): ObservedLink => ({
  name: 'eth0',
  isUp: true,
  hasCarrier: true,
  isPhysical: true,
  mac: undefined,
  addresses: [{ address: address as Address, bits: 24, scope: 'global' }],
})
const none = { destinations: [], localPorts: [], conntrackMark: 0x80, links: [link('192.0.2.1')] }

test('each address of each service with its port, sorted and once', () => {
  const services = [
    { addresses: ['203.0.113.2', '2001:db8::2'] as Address[], port: 443 },
    { addresses: ['203.0.113.2'] as Address[], port: 443 },
  ]
  const { destinations, localPorts } = planBypass({ ...none, services })
  assert.deepEqual(destinations, ['203.0.113.2:443', '[2001:db8::2]:443'])
  assert.deepEqual(localPorts, [])
})

test('a service on our own address is answered, not called', () => {
  const services = [{ addresses: ['192.0.2.1', '198.51.100.1'] as Address[], port: 3000 }]
  const { destinations, localPorts } = planBypass({ ...none, services })
  assert.deepEqual(destinations, ['198.51.100.1:3000'])
  assert.deepEqual(localPorts, [3000])
})

test('what the user adds is added', () => {
  const plan = planBypass({
    ...none,
    services: [],
    destinations: ['203.0.113.9:6443' as AddressPort],
    localPorts: [6443, 22],
  })
  assert.deepEqual(plan, { destinations: ['203.0.113.9:6443'], localPorts: [22, 6443], conntrackMark: 0x80 })
})
