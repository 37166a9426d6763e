import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import {
  observeSurroundings,
  parseLeaseServers,
  parseLocalRoutes,
  parseNameServers,
} from '../../../../kubespan/sources/surroundings.ts'
import { settingsIn } from '../../../support/settings-in.ts'

/** iproute2 6.1, put together from hosts of several kinds. */
const ROUTES = `default via 192.168.122.1 dev eth0 proto dhcp src 192.168.122.5 metric 100 
default proto static metric 1024 
\tnexthop via 192.168.122.2 dev eth0 weight 1 
\tnexthop via 192.168.123.2 dev eth1 weight 1 
default dev kubespan table 180 proto static scope global metric 1 mtu 1420 
unreachable default table 180 metric 4294967295 
default via 192.168.123.1 dev eth1 table 10001 
default dev ppp0 scope link 
10.1.2.0/24 via inet6 2001:db8::9 dev eth0 
10.9.0.0/24 via 192.168.122.7 dev eth0 proto bird 
10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink 
10.244.2.7 dev cali123 scope link 
10.77.0.0/24 dev gre1 scope link 
unreachable 10.99.0.0/16 
blackhole 10.244.2.0/26 proto bird 
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown 
192.168.122.0/24 dev eth0 proto kernel scope link src 192.168.122.5 metric 100 
192.168.124.0/24 dev eth0 proto dhcp scope link src 192.168.122.5 metric 100 
local 192.168.122.5 dev eth0 table local proto kernel scope host src 192.168.122.5 
broadcast 192.168.122.255 dev eth0 table local proto kernel scope link src 192.168.122.5 
2001:db8::/64 dev eth0 proto ra metric 100 expires 86000sec pref medium
fd11:2233:4455:6602::/64 dev kubespan proto kernel metric 256 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 proto ra metric 100 expires 1700sec pref medium
default via 2001:db8::1 dev eth0 metric 1024 pref medium
multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium
`

test('gateways that everything leaves by, in every table, and the networks on links', () => {
  const { gateways, networks } = parseLocalRoutes(ROUTES, 'kubespan')
  assert.deepEqual(
    gateways.map(({ address, link }) => [address, link]),
    [
      ['192.168.122.1', 'eth0'],
      ['192.168.122.2', 'eth0'],
      ['192.168.123.2', 'eth1'],
      ['192.168.123.1', 'eth1'],
      ['fe80::1', 'eth0'],
      ['2001:db8::1', 'eth0'],
    ],
  )
  assert.deepEqual(
    networks.map(({ prefix, link }) => `${prefix} ${link}`),
    [
      '10.244.2.7/32 cali123',
      '172.17.0.0/16 docker0',
      '192.168.122.0/24 eth0',
      '192.168.124.0/24 eth0',
      '2001:db8::/64 eth0',
    ],
  )
})

test('name servers of a resolv.conf', () => {
  const text =
    '# nameserver 192.0.2.9\nnameserver 192.0.2.1 # first\n nameserver\t2001:db8::53\nnameserver fe80::1%eth0\nsearch lan\n'
  assert.deepEqual(parseNameServers(text).slice(0, 2), ['192.0.2.1', '2001:db8::53'])
})

test('the server of the last lease', () => {
  assert.deepEqual(parseLeaseServers('# private\nADDRESS=192.0.2.5\nSERVER_ADDRESS=192.0.2.2\n'), [
    '192.0.2.2',
  ])
  const dhclient = ['192.0.2.3', '192.0.2.4'].map(
    (server) => `lease {\n  interface "eth0";\n  option dhcp-server-identifier ${server};\n}\n`,
  )
  assert.deepEqual(parseLeaseServers(dhclient.join('')), ['192.0.2.4'])
})

test('all of it together, without what has a meaning on one host or link only', async () => {
  const root = `${await mkdtemp(join(tmpdir(), 'openspan-surroundings-'))}/`
  try {
    for (const [path, text] of [
      ['etc/resolv.conf', 'nameserver 127.0.0.53\n'],
      ['run/systemd/resolve/resolv.conf', 'nameserver 192.168.122.1\nnameserver 10.5.5.5\n'],
      ['run/systemd/netif/leases/2', 'SERVER_ADDRESS=10.6.6.6\n'],
      ['var/lib/dhcp/dhclient.eth0.leases', 'lease {\n option dhcp-server-identifier 192.168.122.3;\n}\n'],
      ['var/lib/dhcp/dhclient.eth9.leases', 'lease {\n option dhcp-server-identifier 192.0.2.99;\n}\n'],
    ] as const) {
      await mkdir(dirname(`${root}${path}`), { recursive: true })
      await writeFile(`${root}${path}`, text)
    }
    const settings = new Map([['ipv6/conf/all/forwarding', '1']])
    const host = {
      readSetting: async (path: string) => settings.get(path),
      listSettings: async (directory: string) => settingsIn(settings.keys(), directory),
    }
    const { neighbours, forwards } = await observeSurroundings(host, ROUTES, 'kubespan', root)
    assert.equal(forwards, true)
    settings.clear()
    settings.set('ipv4/ip_forward', '0').set('ipv4/conf/lan/forwarding', '1')
    assert.equal((await observeSurroundings(host, ROUTES, 'kubespan', root)).forwards, true)
    settings.clear()
    assert.equal((await observeSurroundings(host, ROUTES, 'kubespan', root)).forwards, false)
    assert.deepEqual(
      neighbours.map(({ address, role, link }) => `${address} ${role} ${link}`),
      [
        '10.5.5.5 name server undefined',
        '10.6.6.6 DHCP server undefined',
        '192.168.122.1 gateway eth0',
        '192.168.122.1 name server eth0',
        '192.168.122.2 gateway eth0',
        '192.168.122.3 DHCP server eth0',
        '192.168.123.1 gateway eth1',
        '192.168.123.2 gateway eth1',
        '2001:db8::1 gateway eth0',
      ],
    )
  } finally {
    await rm(root, { recursive: true })
  }
})
