import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observeRouting } from '../../../../kubespan/apply/routing.ts'
import { placementOf } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'

test('a host is stranded in IPv6 without a default route, in IPv4 only if it has an address to send from', async () => {
  const host = new FakeHost()
  const stranded = async (): Promise<readonly number[]> =>
    (await observeRouting(host, placementOf(), [4, 6])).stranded
  assert.deepEqual(await stranded(), [])
  host.network.hasNoWayOut = true
  assert.deepEqual(await stranded(), [6])
  await host.run('ip', 'address add 2001:db8::7/64 dev eth0'.split(' '))
  await host.run('ip', 'address add 169.254.180.1/32 dev eth0 scope link'.split(' '))
  assert.deepEqual(await stranded(), [6])
  await host.run('ip', 'address add 192.0.2.7/24 dev eth0'.split(' '))
  assert.deepEqual(await stranded(), [4, 6])
})
