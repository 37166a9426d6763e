import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseMac } from '../../../../kubespan/plan/self/choose-mac.ts'
import { observeLinks, parseLinks, parseUplinks } from '../../../../kubespan/sources/addresses.ts'
import { FakeHost } from '../../../support/fake-host.ts'

const parseOne = (row: object) => parseLinks(JSON.stringify([row]))[0]

test('a physical link, as `ip` shows it', () => {
  const link = parseOne({
    ifname: 'eth0',
    flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
    operstate: 'UP',
    link_type: 'ether',
    address: '52:54:00:12:34:56',
    addr_info: [
      { family: 'inet', local: '192.0.2.5', prefixlen: 24, scope: 'global' },
      { family: 'inet6', local: '2001:DB8::5', prefixlen: 64, scope: 'global', dynamic: true },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
      { family: 'inet', local: '192.0.2.6', prefixlen: 24, scope: '50' },
    ],
  })
  assert.deepEqual(link, {
    name: 'eth0',
    isUp: true,
    hasCarrier: true,
    isPhysical: true,
    mac: '52:54:00:12:34:56',
    addresses: [
      { address: '192.0.2.5', bits: 24, scope: 'global' },
      { address: '2001:db8::5', bits: 64, scope: 'global' },
      { address: 'fe80::1', bits: 64, scope: 'link' },
      { address: '192.0.2.6', bits: 24, scope: 'site' },
    ],
  })
})

test('the address that a card was made with, where another is in use', () => {
  const row = { ifname: 'wlan0', link_type: 'ether', address: '5e:11:22:33:44:55', operstate: 'UP' }
  const randomised = parseOne({ ...row, permaddr: 'a0:36:9f:00:00:01' })
  assert.deepEqual([randomised?.mac, randomised?.permanentMac], ['5e:11:22:33:44:55', 'a0:36:9f:00:00:01'])
  assert.equal(randomised && chooseMac([randomised]), 'a0:36:9f:00:00:01')
  assert.equal(parseOne(row)?.permanentMac, undefined)
})

test('a link of some kind is not physical, whatever it looks like', () => {
  const row = { ifname: 'br0', link_type: 'ether', address: '02:00:00:00:00:01', operstate: 'DOWN' }
  assert.equal(parseOne({ ...row, linkinfo: { info_kind: 'bridge' } })?.isPhysical, false)
  assert.equal(parseOne({ ...row, linkinfo: {} })?.isPhysical, true)
})

test('a tunnel has neither carrier nor hardware address of its own', () => {
  const link = parseOne({ ifname: 'kubespan', link_type: 'none', operstate: 'UNKNOWN', flags: ['UP'] })
  assert.deepEqual(link, {
    name: 'kubespan',
    isUp: true,
    hasCarrier: false,
    isPhysical: false,
    mac: undefined,
    addresses: [],
  })
  assert.equal(
    parseOne({ ifname: 'lo', link_type: 'loopback', address: '00:00:00:00:00:00' })?.mac,
    undefined,
  )
})

test('what the kernel says of an address beside its scope', () => {
  const row = (local: string, flags: object) => ({
    family: 'inet6',
    local,
    prefixlen: 64,
    scope: 'global',
    ...flags,
  })
  const { addresses } = parseOne({
    ifname: 'eth0',
    link_type: 'ether',
    operstate: 'UP',
    addr_info: [
      row('2001:db8::1', { dadfailed: true, tentative: true }),
      row('2001:db8::2', { deprecated: true, dynamic: true, mngtmpaddr: true }),
      row('2001:db8::3', { temporary: true }),
      row('2001:db8::4', { optimistic: true, tentative: true }),
      row('2001:db8::5', { nodad: true, noprefixroute: true, dynamic: true, tentative: false }),
    ],
  }) ?? { addresses: [] }
  assert.deepEqual(
    addresses.map(({ flags }) => flags),
    [['tentative', 'dadfailed'], ['deprecated'], ['temporary'], ['tentative', 'optimistic'], undefined],
  )
})

test('what iproute2 leaves empty is passed over', () => {
  assert.deepEqual(parseLinks(''), [])
  assert.deepEqual(
    parseLinks('[{},{"ifname":"a","addr_info":[{},{"local":"192.0.2.1"}]}]').map(({ name }) => name),
    ['a'],
  )
})

test('what a link is, what it is a port of, and whether a default route leads out of it', () => {
  const rows = [
    { ifname: 'docker0', link_type: 'ether', linkinfo: { info_kind: 'bridge' } },
    {
      ifname: 'veth1',
      link_type: 'ether',
      master: 'docker0',
      linkinfo: { info_kind: 'veth', info_slave_kind: 'bridge' },
    },
    { ifname: 'eth0', link_type: 'ether', master: 'bond0', linkinfo: { info_slave_kind: 'bond' } },
    { ifname: 'ppp0', link_type: 'ppp' },
  ]
  assert.deepEqual(
    parseLinks(JSON.stringify(rows), new Set(['ppp0'])).map(
      ({ kind, master, masterKind, hasDefaultRoute }) => [kind, master, masterKind, hasDefaultRoute],
    ),
    [
      ['bridge', undefined, undefined, undefined],
      ['veth', 'docker0', 'bridge', undefined],
      [undefined, 'bond0', 'bond', undefined],
      [undefined, undefined, undefined, true],
    ],
  )
})

test('default routes: several, by several ways, and those that refuse', () => {
  const rows = [
    { dst: 'default', gateway: '192.0.2.1', dev: 'eth0', protocol: 'dhcp', flags: [] },
    {
      dst: 'default',
      nexthops: [
        { gateway: '192.0.2.1', dev: 'eth1' },
        { gateway: '192.0.2.9', dev: 'eth2' },
      ],
    },
    { type: 'unreachable', dst: 'default', dev: 'lo', metric: 4294967295 },
    {},
  ]
  assert.deepEqual(parseUplinks(JSON.stringify(rows)), ['eth0', 'eth1', 'eth2'])
  assert.deepEqual(parseUplinks(''), [])
})

test('the links of a host', async () => {
  const names = (await observeLinks(new FakeHost())).map(({ name, isPhysical }) => [name, isPhysical])
  assert.deepEqual(names, [
    ['lo', false],
    ['eth0', true],
  ])
})
