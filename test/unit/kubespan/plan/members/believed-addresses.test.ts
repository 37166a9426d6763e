import assert from 'node:assert/strict'
import { test } from 'node:test'
import { believedAddresses } from '../../../../../kubespan/plan/members/believed-addresses.ts'
import type { Address } from '../../../../../shared/net/address.ts'

const TTL = 1_800_000
const teller = (connected: boolean, lastContactAt: number | undefined, ...addresses: string[]) => ({
  ...{ connected, lastContactAt },
  publicAddresses: addresses as Address[],
})

test('what several services tell is taken once', () => {
  const services = [teller(true, 0, '192.0.2.7'), teller(true, 0, '192.0.2.7', '2001:db8::7')]
  assert.deepEqual(believedAddresses(services, 0, TTL), ['192.0.2.7', '2001:db8::7'])
})

test('what a service told that is cut off is forgotten after the TTL, if others speak', () => {
  const services = [teller(false, 0, '192.0.2.6'), teller(true, TTL, '192.0.2.7')]
  assert.deepEqual(believedAddresses(services, TTL - 1, TTL), ['192.0.2.6', '192.0.2.7'])
  assert.deepEqual(believedAddresses(services, TTL, TTL), ['192.0.2.7'])
})

test('while no service speaks, what they told counts', () => {
  const services = [teller(false, 0, '192.0.2.6'), teller(false, undefined)]
  assert.deepEqual(believedAddresses(services, 10 * TTL, TTL), ['192.0.2.6'])
})
