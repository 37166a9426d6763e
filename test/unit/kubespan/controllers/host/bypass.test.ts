import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gatherBypass } from '../../../../../kubespan/controllers/host/bypass.ts'
import { ProxySettings } from '../../../../../kubespan/model/proxy.ts'
import type { HostPort } from '../../../../../kubespan/model/service-endpoint.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { settingsOf } from '../../../../support/settings.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'd.example': ['203.0.113.1', '2001:db8::1'],
  'elsewhere.example': ['203.0.113.2'],
  'p.example': ['203.0.113.3'],
}
const addressesOf = (names: readonly string[]) =>
  new Map(names.map((name) => [name, (NAMES[name] ?? []) as readonly Address[]]))

const destinations = (goals: readonly HostPort[], proxy?: ProxySettings): readonly string[] =>
  gatherBypass({
    settings: { ...settingsOf(), proxy },
    goals,
    apiServers: ['192.0.2.6:6443' as AddressPort],
    links: [],
    addressesOf,
  }).destinations

test('services pass the tunnel by, and so does where they have sent us', () => {
  const own = ['192.0.2.6:6443', '203.0.113.1:80', '[2001:db8::1]:80']
  assert.deepEqual(destinations([]), own)
  assert.deepEqual(destinations([{ host: 'd.example', port: 80 }]), own)
  assert.deepEqual(destinations([{ host: 'elsewhere.example', port: 443 }]), [
    ...own.slice(0, 2),
    '203.0.113.2:443',
    '[2001:db8::1]:80',
  ])
})

test('of what is reached through a proxy, the proxy passes the tunnel by', () => {
  const env = { HTTPS_PROXY: 'http://p.example:3128', NO_PROXY: 'elsewhere.example' }
  const proxy = ProxySettings.fromEnvironment(env)
  assert.ok(proxy instanceof ProxySettings)
  assert.deepEqual(destinations([{ host: 'elsewhere.example', port: 443 }], proxy), [
    '192.0.2.6:6443',
    '203.0.113.2:443',
    '203.0.113.3:3128',
  ])
})
