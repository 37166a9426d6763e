import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gatherBypass } from '../../../../../kubespan/controllers/host/bypass.ts'
import { ProxySettings } from '../../../../../kubespan/model/proxy.ts'
import type { HostPort } from '../../../../../kubespan/model/service-endpoint.ts'
import { planOwned } from '../../../../../kubespan/plan/peers/bypass.ts'
import {
  type Address,
  type AddressPort,
  type Prefix,
  parseAddress,
} from '../../../../../shared/net/address.ts'
import { settingsOf } from '../../../../support/settings.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'd.example': ['203.0.113.1', '2001:db8::1'],
  'elsewhere.example': ['203.0.113.2'],
  'p.example': ['203.0.113.3'],
}
const addressesOf = (names: readonly string[]) =>
  new Map(
    names.map((name) => [name, (NAMES[name] ?? (parseAddress(name) ? [name] : [])) as readonly Address[]]),
  )

const planned = (goals: readonly HostPort[], routed: readonly string[] = [], proxy?: ProxySettings) =>
  gatherBypass(
    {
      settings: { ...settingsOf(), proxy },
      goals,
      kubernetes: {
        apiServers: ['192.0.2.6:6443' as AddressPort],
        resolvedApiServers: ['192.0.2.7:6443' as AddressPort],
      },
      links: [],
      addressesOf,
    },
    () => planOwned({ routed: routed as Prefix[], subnet: 'fd00::/64' as Prefix, claimed: [] }),
  )
const API = ['192.0.2.6:6443', '192.0.2.7:6443']

test('services pass the tunnel by, and where they have sent us does not', () => {
  const own = [...API, '203.0.113.1:80', '[2001:db8::1]:80']
  assert.deepEqual(planned([]).bypass.destinations, own)
  assert.deepEqual(planned([{ host: 'd.example', port: 80 }]).bypass.destinations, own)
  assert.deepEqual(planned([{ host: 'elsewhere.example', port: 443 }]).bypass.destinations, own)
})

test('a redirect to a node of the mesh, and a name that leads to one, open nothing in clear', () => {
  const redirected = planned([{ host: '203.0.113.2', port: 80 }], ['203.0.113.0/24', '192.0.2.0/24'])
  assert.deepEqual(redirected.bypass.destinations, ['192.0.2.6:6443', '[2001:db8::1]:80'])
  assert.deepEqual(
    redirected.kept.map(({ goal, origin }) => [goal, origin]),
    [
      ['192.0.2.7:6443', 'resolved'],
      ['203.0.113.1:80', 'resolved'],
      ['203.0.113.2:80', 'sent'],
    ],
  )
})

test('of what is reached through a proxy, the proxy passes the tunnel by', () => {
  const env = { HTTPS_PROXY: 'http://p.example:3128', NO_PROXY: 'elsewhere.example' }
  const proxy = ProxySettings.fromEnvironment(env)
  assert.ok(proxy instanceof ProxySettings)
  const through = (host: string) => planned([{ host, port: 443 }], [], proxy).bypass.destinations
  assert.deepEqual(through('elsewhere.example'), [...API, '203.0.113.3:3128'])
  assert.deepEqual(through('other.example'), [...API, '203.0.113.3:3128'])
})
