import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kickPeers, setEndpoints } from '../../../../kubespan/apply/wireguard.ts'
import type { AddressPort } from '../../../../shared/net/address.ts'
import { FakeHost } from '../../../support/fake-host.ts'

/** A host that notes what it was told, as text. */
function noting() {
  const host = new FakeHost()
  const calls: string[] = []
  host.run = async (tool, args) => {
    calls.push([tool, ...args].join(' '))
    return ''
  }
  return { host, calls }
}

test('a kick takes the keepalive away and gives it back, in one call', async () => {
  const { host, calls } = noting()
  await kickPeers(host, 'kubespan', ['a', 'b'])
  assert.deepEqual(calls, [
    'wg set kubespan peer a persistent-keepalive 0 peer b persistent-keepalive 0 ' +
      'peer a persistent-keepalive 25 peer b persistent-keepalive 25',
  ])
})

test('endpoints are written in calls of a bounded length, and none when there are none', async () => {
  const { host, calls } = noting()
  await setEndpoints(host, 'kubespan', new Map())
  await kickPeers(host, 'kubespan', [])
  assert.deepEqual(calls, [])
  const endpoint = '192.0.2.1:51820' as AddressPort
  await setEndpoints(host, 'kubespan', new Map([['a', endpoint]]))
  assert.deepEqual(calls, ['wg set kubespan peer a endpoint 192.0.2.1:51820'])
  const many = Array.from({ length: 1001 }, (_, number) => [`key ${number}`, endpoint] as const)
  await setEndpoints(host, 'kubespan', new Map(many))
  assert.equal(calls.length, 4)
})
