import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObservedLink } from '../../../../../kubespan/model/observed.ts'
import {
  type BypassGoal,
  type BypassInput,
  describeKept,
  type GoalOrigin,
  planBypass,
  planOwned,
} from '../../../../../kubespan/plan/peers/bypass.ts'
import type { Address, AddressPort, Prefix } from '../../../../../shared/net/address.ts'

const link = (address: string): ObservedLink => ({
  name: 'eth0',
  isUp: true,
  hasCarrier: true,
  isPhysical: true,
  mac: undefined,
  addresses: [{ address: address as Address, bits: 24, scope: 'global' }],
})
const ownedOf =
  (routed: readonly string[], claimed: readonly string[] = routed) =>
  () =>
    planOwned({
      routed: routed as Prefix[],
      subnet: 'fd00::/64' as Prefix,
      claimed: claimed as Prefix[],
    })
const plan = (input: Partial<BypassInput>) =>
  planBypass({
    ...{ services: [], destinations: [], localPorts: [], conntrackMark: 0x80 },
    ...{ links: [link('192.0.2.1')], owned: ownedOf([]) },
    ...input,
  })
const goal = (origin: GoalOrigin, port: number, ...addresses: string[]): BypassGoal => ({
  ...{ origin, port, addresses: addresses as Address[], name: 'd.example' },
})

test('each address of each service with its port, sorted and once', () => {
  const services = [
    goal('configured', 443, '203.0.113.2', '2001:db8::2'),
    goal('configured', 443, '203.0.113.2'),
  ]
  const { destinations, localPorts } = plan({ services }).bypass
  assert.deepEqual(destinations, ['203.0.113.2:443', '[2001:db8::2]:443'])
  assert.deepEqual(localPorts, [])
})

test('a service on our own address is answered, not called', () => {
  for (const origin of ['configured', 'resolved'] as const) {
    const services = [goal(origin, 3000, '192.0.2.1', '198.51.100.1')]
    const { destinations, localPorts } = plan({ services }).bypass
    assert.deepEqual(destinations, ['198.51.100.1:3000'])
    assert.deepEqual(localPorts, [3000])
  }
})

test('a service that sends us to ourselves opens no port of ours', () => {
  assert.deepEqual(plan({ services: [goal('sent', 22, '192.0.2.1')] }).bypass.localPorts, [])
})

test('what the user adds is added', () => {
  const { bypass } = plan({ destinations: ['203.0.113.9:6443' as AddressPort], localPorts: [6443, 22] })
  assert.deepEqual(bypass, {
    destinations: ['203.0.113.9:6443'],
    localPorts: [22, 6443],
    conntrackMark: 0x80,
  })
})

test('what is configured passes by, whoever has it', () => {
  const owned = ownedOf(['203.0.113.2/32', '10.0.0.0/8'])
  const services = [goal('configured', 443, '203.0.113.2')]
  const destinations = ['10.1.1.1:6443' as AddressPort]
  const planned = plan({ services, destinations, owned })
  assert.deepEqual(planned.bypass.destinations, ['10.1.1.1:6443', '203.0.113.2:443'])
  assert.deepEqual(planned.kept, [])
})

test('a name that resolves to what a peer has, or to a mesh address, leads nothing past the tunnel, and that is told', () => {
  const owned = ownedOf(['203.0.113.2/32', '10.0.0.0/8'])
  const services = [goal('resolved', 80, '203.0.113.2', '203.0.113.3', '10.1.1.1', 'fd00::7')]
  const { bypass, kept } = plan({ services, owned })
  assert.deepEqual(bypass.destinations, ['203.0.113.3:80'])
  assert.deepEqual(
    kept.map(({ goal: at }) => at),
    ['10.1.1.1:80', '203.0.113.2:80', '[fd00::7]:80'],
  )
})

test('where a service sends us nothing passes by, be it that a peer takes everything', () => {
  const services = [goal('sent', 80, '203.0.113.2', '203.0.113.3')]
  for (const owned of [ownedOf([]), ownedOf(['203.0.113.2/32']), ownedOf(['0.0.0.0/0'])])
    assert.deepEqual(plan({ services, owned }).bypass.destinations, [])
  assert.deepEqual(plan({ services, owned: ownedOf([]) }).kept, [])
  assert.equal(plan({ services, owned: ownedOf(['203.0.113.2/32']) }).kept.length, 1)
})

test('it does where the operator has said so as well', () => {
  const services = [goal('sent', 80, '203.0.113.2'), goal('resolved', 81, '203.0.113.2')]
  const destinations = ['203.0.113.2:80', '203.0.113.2:81'] as AddressPort[]
  const planned = plan({ services, destinations, owned: ownedOf(['203.0.113.2/32']) })
  assert.deepEqual(planned.bypass.destinations, destinations)
  assert.deepEqual(planned.kept, [])
})

test('a way out of the mesh does not own what lies there: services that are known by name stay reachable without it', () => {
  const owned = ownedOf(
    ['0.0.0.0/1', '128.0.0.0/2', '2001:db8::/32'],
    ['0.0.0.0/0', '203.0.113.2/32', '2001:db8::/32'],
  )
  const services = [goal('resolved', 443, '203.0.113.2', '203.0.113.3', '2001:db8::1', '2001:db9::1')]
  assert.deepEqual(plan({ services, owned }).bypass.destinations, ['203.0.113.3:443', '[2001:db9::1]:443'])
})

test('whose it is, and what to do', () => {
  const peers = [{ label: 'b', prefixes: ['10.0.0.0/8'] as Prefix[] }]
  assert.equal(
    describeKept({ goal: '10.1.1.1:80' as AddressPort, name: 'd.example', origin: 'resolved' }, peers),
    '10.1.1.1:80, an address of d.example, belongs to b, so it is reached through the tunnel only; bypass.destinations lets it pass by',
  )
  assert.match(
    describeKept({ goal: '[fd00::7]:80' as AddressPort, name: 'x', origin: 'sent' }, peers),
    /^\[fd00::7\]:80, which a discovery service sends us to, is within the mesh/,
  )
})
