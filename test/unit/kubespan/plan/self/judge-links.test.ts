import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObservedLink } from '../../../../../kubespan/model/observed.ts'
import { judgeLinks } from '../../../../../kubespan/plan/self/judge-links.ts'
import { linkOf } from '../../../../support/links.ts'

const of = (name: string, kind?: string, said: Partial<ObservedLink> = {}): ObservedLink =>
  linkOf(name, ['10.0.0.1/24'], {
    isPhysical: kind === undefined,
    ...(kind !== undefined && { kind }),
    ...said,
  })

const nowhere = (links: readonly ObservedLink[], ...linkFilters: readonly string[]): readonly string[] =>
  judgeLinks(links, { linkFilters, ownLinkName: 'kubespan' })
    .filter(({ leadsNowhere }) => leadsNowhere !== undefined)
    .map(({ name }) => name)

const NOWHERE = [
  ...[
    'docker0',
    'docker_gwbridge',
    'br-0a1b2c3d4e5f',
    'virbr0',
    'lxdbr0',
    'lxcbr0',
    'incusbr0',
    'podman1',
    'cni0',
  ],
  ...['cni-podman0', 'kube-bridge', 'mpqemubr0', 'weave'],
].map((name) => of(name, 'bridge'))
const TUNNELS = [
  ...[of('tailscale0', 'tun'), of('wt0', 'wireguard'), of('zt5u4yabcd', 'tun'), of('nebula1', 'tun')],
  ...[of('utun3', 'tun'), of('home', 'wireguard'), of('mesh0', 'wireguard'), of('corp', 'tun')],
  ...[of('flannel.1', 'vxlan'), of('overlay', 'vxlan'), of('genev_sys_6081', 'geneve'), of('tunl0', 'ipip')],
  ...[of('site', 'gre'), of('site2', 'gretap'), of('he-ipv6', 'sit'), of('x', 'xfrm'), of('v', 'vti6')],
]
const OTHERS = [
  ...[of('veth1a2b', 'veth'), of('vnet3', 'tun'), of('cali12345678901', 'veth'), of('lxc_health', 'veth')],
  ...[of('cilium_host', 'veth'), of('kube-ipvs0', 'dummy'), of('nodelocaldns', 'dummy'), of('vboxnet0')],
]
/** What holds a host's own addresses. */
const SOMEWHERE = [
  ...[of('eth0'), of('wlan0'), of('enp3s0'), of('bond0', 'bond'), of('eth0.7', 'vlan'), of('team0', 'team')],
  ...[of('br0', 'bridge'), of('vmbr0', 'bridge'), of('bridge0', 'bridge'), of('lan', 'bridge')],
  ...[of('ppp0', 'ppp'), of('wwan0'), of('macvlan0', 'macvlan'), of('dummy0', 'dummy'), of('eth1', 'veth')],
  of('kubespan', 'wireguard'),
]

test('links that lead to nobody else are known by their names and kinds, and those that may are kept', () => {
  const links = [...NOWHERE, ...TUNNELS, ...OTHERS]
  assert.deepEqual(
    nowhere([...SOMEWHERE, ...links]),
    links.map(({ name }) => name),
  )
})

test('a default route keeps a link from the defaults, and from nothing that the user says', () => {
  const links = ['br-wan', 'wg0', 'tun0', 'he-ipv6', 'docker0'].map((name) =>
    of(name, 'tun', { hasDefaultRoute: true }),
  )
  assert.deepEqual(nowhere(links), [])
  assert.deepEqual(nowhere(links, 'wg*'), ['wg0'])
})

test('a bridge with a card of this machine in it leads out, by a bond or a VLAN too', () => {
  for (const port of [of('eth0'), of('bond0', 'bond'), of('eth0.7', 'vlan')]) {
    assert.deepEqual(nowhere([of('br-lan', 'bridge'), { ...port, master: 'br-lan' }]), [])
    assert.deepEqual(nowhere([of('br-lan', 'bridge'), { ...port, master: 'br-ext' }]), ['br-lan'])
  }
  assert.deepEqual(nowhere([of('br-lan', 'bridge'), of('veth1', 'veth', { master: 'br-lan' })]), [
    'br-lan',
    'veth1',
  ])
})

test('the last one that matches decides, and a first !* stands in place of the defaults', () => {
  const links = [of('docker0', 'bridge'), of('wg0', 'wireguard'), of('wg1', 'wireguard'), of('eth0')]
  assert.deepEqual(nowhere(links, '!wg*'), ['docker0'])
  assert.deepEqual(nowhere(links, '!wg*', 'wg1'), ['docker0', 'wg1'])
  assert.deepEqual(nowhere(links, '!kind:wireguard'), ['docker0'])
  assert.deepEqual(nowhere(links, 'eth0'), ['docker0', 'wg0', 'wg1', 'eth0'])
  assert.deepEqual(nowhere(links, '!*'), [])
  assert.deepEqual(nowhere(links, '!*', 'wg0'), ['wg0'])
  assert.deepEqual(nowhere([of('kubespan', 'wireguard')], '*'), [], 'ours is never judged')
})
