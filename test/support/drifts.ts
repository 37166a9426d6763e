import { observeNftTable } from '../../kubespan/apply/nftables.ts'
import type { Host } from '../../kubespan/host/host.ts'
import type { Tool } from '../../kubespan/host/runner.ts'
import { keyOf, peerOf } from './desired-states.ts'

export const nft = (host: Host, script: string): Promise<string> =>
  host.run('nft', ['-f', '-'], `${script}\n`)
export const call = (host: Host, line: string): Promise<string> => {
  const [tool, ...args] = line.split(' ')
  return host.run(tool as Tool, args)
}
const wgConfig = (host: Host, lines: readonly string[]): Promise<string> =>
  host.run('wg', ['addconf', 'kubespan', '/dev/stdin'], `[Peer]\n${lines.join('\n')}\n`)

/** What somebody else may do to our things. */
export const DRIFTS: Readonly<Record<string, (host: Host) => Promise<unknown>>> = {
  'an IPv4 rule is deleted': (host) =>
    call(host, 'ip -4 rule delete priority 32500 fwmark 0x40/0x60 table 180'),
  'an IPv6 rule is deleted': (host) =>
    call(host, 'ip -6 rule delete priority 32500 fwmark 0x40/0x60 table 180'),
  'our rule is there a second time, at another priority': (host) =>
    call(host, 'ip -4 rule add priority 99 fwmark 0x40/0x60 table 180'),
  'a route into the tunnel is deleted': (host) =>
    call(host, 'ip -6 route del default dev kubespan table 180 metric 1'),
  'a route into the tunnel loses its MTU': (host) =>
    call(host, 'ip -4 route replace default dev kubespan table 180 metric 1'),
  'a route into the tunnel gets a source address': (host) =>
    call(
      host,
      'ip -4 route replace default dev kubespan table 180 metric 1 proto static mtu 1420 src 127.0.0.1',
    ),
  'our rule becomes a narrower one': async (host) => {
    await call(host, 'ip -4 rule delete priority 32500 fwmark 0x40/0x60 table 180')
    await call(host, 'ip -4 rule add priority 32500 fwmark 0x40/0x60 table 180 iif lo')
  },
  'a way of last resort is deleted': (host) =>
    call(host, 'ip -6 rule delete priority 32800 to 2001:db8:1::/64 fwmark 0x0/0x60 table 180'),
  'a refusing route is deleted': (host) =>
    call(host, 'ip -4 route del unreachable default table 180 metric 4294967295'),
  'the link is set down': (host) => call(host, 'ip link set dev kubespan down'),
  'the link is deleted': (host) => call(host, 'ip link del dev kubespan'),
  'the MTU is changed': (host) => call(host, 'ip link set dev kubespan mtu 1300'),
  'the mesh address is deleted': (host) =>
    call(host, 'ip address del fd11:2233:4455:6602::1:1/64 dev kubespan'),
  'the mesh address has another length': async (host) => {
    await call(host, 'ip address del fd11:2233:4455:6602::1:1/64 dev kubespan')
    await call(host, 'ip address add fd11:2233:4455:6602::1:1/128 dev kubespan nodad')
  },
  'an old mesh address is still there': (host) =>
    call(host, 'ip address add fd99:2233:4455:6602::9/64 dev kubespan nodad'),
  'an address is deleted from a set': (host) =>
    nft(host, 'delete element inet openspan routed_v4 { 10.100.1.0/24 }'),
  'an address is added to a set': (host) =>
    nft(host, 'add element inet openspan routed_v6 { 2001:db8:ffff::/48 }'),
  'a set is emptied': (host) => nft(host, 'flush set inet openspan routed_v6'),
  'a chain is emptied': (host) => nft(host, 'flush chain inet openspan kubespan_outgoing'),
  'a chain is deleted': (host) => nft(host, 'delete chain inet openspan kubespan_prerouting'),
  'a rule is added to a chain': (host) => nft(host, 'add rule inet openspan kubespan_outgoing accept'),
  'a rule says something else under our comment': async (host) => {
    const { rules = [] } = (await observeNftTable(host, 'openspan'))?.chains.get('kubespan_outgoing') ?? {}
    const lines = rules.map(
      ({ comment }) => `add rule inet openspan kubespan_outgoing accept comment "${comment}"`,
    )
    await nft(host, ['flush chain inet openspan kubespan_outgoing', ...lines].join('\n'))
  },
  'a chain moves to another priority': (host) =>
    nft(
      host,
      'delete chain inet openspan kubespan_prerouting\n' +
        'add chain inet openspan kubespan_prerouting { type filter hook prerouting priority -50; policy accept; }',
    ),
  'a set has another type': (host) =>
    nft(
      host,
      'delete table inet openspan\nadd table inet openspan\n' +
        'add set inet openspan routed_v4 { type ipv6_addr; flags interval; }',
    ),
  'the table is deleted': (host) => nft(host, 'delete table inet openspan'),
  'every table is deleted': (host) => nft(host, 'flush ruleset'),
  'a peer is removed': (host) => call(host, `wg set kubespan peer ${keyOf(1)} remove`),
  'a peer is added': (host) => wgConfig(host, [`PublicKey = ${keyOf(77)}`, 'AllowedIPs = 10.77.0.0/24']),
  'a peer loses its allowed IPs to another': (host) =>
    wgConfig(host, [`PublicKey = ${keyOf(2)}`, 'AllowedIPs = 10.100.1.0/24, 10.100.2.0/24']),
  'a peer gets another preshared key': (host) =>
    wgConfig(host, [
      `PublicKey = ${keyOf(1)}`,
      `PresharedKey = ${keyOf(1)}`,
      'PersistentKeepalive = 25',
      `AllowedIPs = ${peerOf(1).allowedIps.join(', ')}`,
    ]),
  'a peer gets another keepalive': (host) =>
    wgConfig(host, [
      `PublicKey = ${keyOf(1)}`,
      'PersistentKeepalive = 5',
      `AllowedIPs = ${peerOf(1).allowedIps.join(', ')}`,
    ]),
  'the mark of WireGuard is turned off': (host) => call(host, 'wg set kubespan fwmark 0'),
  'the listen port is changed': (host) => call(host, 'wg set kubespan listen-port 40000'),
  'the private key is replaced': (host) =>
    host.run('wg', ['set', 'kubespan', 'private-key', '/dev/stdin'], `${keyOf(5)}\n`),
}
