import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type LocalEndpointsInput,
  planLocalEndpoints,
} from '../../../../../kubespan/plan/self/local-endpoints.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { linkOf } from '../../../../support/links.ts'

const own = 'fd00:0:0:2::1' as Address
const addresses = (...texts: string[]) => texts as Address[]

const plan = (said: Partial<LocalEndpointsInput>) =>
  planLocalEndpoints({
    currentAddresses: [],
    publicAddresses: [],
    ownAddress: own,
    listenPort: 51820,
    endpointFilters: undefined,
    extraAnnouncedEndpoints: [],
    ...said,
  })

test('own addresses first, then public ones, then what is configured, each once', () => {
  const { endpoints } = plan({
    currentAddresses: addresses('10.0.0.1', '2001:db8::1'),
    publicAddresses: addresses('203.0.113.1', '10.0.0.1'),
    extraAnnouncedEndpoints: ['198.51.100.1:4500', '10.0.0.1:51820'] as AddressPort[],
  })
  assert.deepEqual(endpoints, [
    '10.0.0.1:51820',
    '[2001:db8::1]:51820',
    '203.0.113.1:51820',
    '198.51.100.1:4500',
  ])
})

test('the mesh is never reached through the mesh, nor through a management tunnel or this host alone', () => {
  const { endpoints, dropped } = plan({
    currentAddresses: addresses('10.0.0.1', own, 'fdae:41e4:649b:9303::1'),
    publicAddresses: addresses(own, '127.0.0.1', 'fe80::1%eth0', 'ff02::1'),
    extraAnnouncedEndpoints: [{ autoPort: 4500 }],
  })
  assert.deepEqual(endpoints, ['10.0.0.1:51820'])
  assert.deepEqual(
    dropped.map(({ address }) => address),
    [own, 'fdae:41e4:649b:9303::1', '127.0.0.1', 'fe80::1%eth0', 'ff02::1'],
  )
})

test('filters choose and order what is there, but not what is configured', () => {
  const { endpoints, dropped, warnings } = plan({
    currentAddresses: addresses('10.0.0.1', '192.168.0.1', '2001:db8::1'),
    publicAddresses: addresses('203.0.113.1'),
    endpointFilters: ['203.0.113.0/24', '0.0.0.0/0', '!10.0.0.0/8'],
    extraAnnouncedEndpoints: ['10.9.9.9:1'] as AddressPort[],
  })
  assert.deepEqual(endpoints, ['203.0.113.1:51820', '192.168.0.1:51820', '10.9.9.9:1'])
  assert.deepEqual(dropped, [
    { address: '10.0.0.1', reason: 'the endpoint filters' },
    { address: '2001:db8::1', reason: 'the endpoint filters' },
  ])
  assert.deepEqual(warnings, [])
})

test('filters that leave nothing do so, with a warning', () => {
  const currentAddresses = addresses('10.0.0.1')
  for (const [endpointFilters, warning] of [
    [[], /list of endpoint filters is empty/],
    [['!10.0.0.0/8'], /drop every endpoint/],
  ] as const) {
    const { endpoints, warnings } = plan({ currentAddresses, endpointFilters })
    assert.deepEqual(endpoints, [])
    assert.match(warnings.join(), warning)
  }
  assert.deepEqual(plan({ endpointFilters: [] }).warnings, [], 'there was nothing to drop')
})

test('auto:PORT is that port on every public address, filtered or not', () => {
  const { endpoints } = plan({
    currentAddresses: addresses('10.0.0.1'),
    publicAddresses: addresses('203.0.113.1', '2001:db8::9'),
    endpointFilters: ['10.0.0.0/8'],
    extraAnnouncedEndpoints: [{ autoPort: 4500 }],
    listenPort: 6000,
  })
  assert.deepEqual(endpoints, ['10.0.0.1:6000', '203.0.113.1:4500', '[2001:db8::9]:4500'])
})

test('what is behind the NAT of a provider comes after all that may be public', () => {
  const { endpoints } = plan({
    currentAddresses: addresses('10.0.0.1', '100.64.0.7', '100.128.0.1'),
    publicAddresses: addresses('203.0.113.1'),
  })
  assert.deepEqual(endpoints, [
    '10.0.0.1:51820',
    '100.128.0.1:51820',
    '203.0.113.1:51820',
    '100.64.0.7:51820',
  ])
})

test('of more endpoints than a service takes the best are offered, and what is configured', () => {
  const many = Array.from({ length: 70 }, (_, index) => `192.0.2.${index}`) as Address[]
  const links = [
    linkOf(
      'eth0',
      many.map((address) => `${address}/24`),
    ),
    linkOf('eth1', ['10.0.0.1/24'], { hasDefaultRoute: true }),
  ]
  const currentAddresses = [...addresses('10.0.0.1'), ...many]
  const publicAddresses = addresses('203.0.113.1')
  const own = plan({ currentAddresses, publicAddresses, links })
  assert.equal(own.endpoints.length, 64)
  assert.equal(own.leftOut.length, 8)
  assert.deepEqual(own.endpoints.slice(0, 3), ['203.0.113.1:51820', '10.0.0.1:51820', '192.0.2.0:51820'])

  for (const [count, kept] of [
    [10, 10],
    [100, 32],
  ] as const) {
    const extraAnnouncedEndpoints = Array.from(
      { length: count },
      (_, index) => `198.51.100.${index}:4500` as AddressPort,
    )
    const { endpoints, leftOut } = plan({ currentAddresses, publicAddresses, links, extraAnnouncedEndpoints })
    assert.equal(endpoints.length, 64)
    assert.equal(endpoints.length + leftOut.length, 72 + count)
    assert.deepEqual(
      endpoints.slice(-kept),
      extraAnnouncedEndpoints.slice(0, kept),
      'ours first, whose port peers go by',
    )
  }
  const extra = Array.from({ length: 100 }, (_, index) => `198.51.100.${index}:4500` as AddressPort)
  assert.equal(plan({ publicAddresses, extraAnnouncedEndpoints: extra }).endpoints.length, 64)
})
