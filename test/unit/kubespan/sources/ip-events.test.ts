import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Concern, concernOf, type LinkEvent } from '../../../../kubespan/sources/ip-events.ts'
import { placementOf } from '../../../support/desired-states.ts'

const lines: readonly (readonly [string, Concern | undefined])[] = [
  [
    '[LINK]5: kubespan: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN group 0 ',
    'ours',
  ],
  ['[ADDR]Deleted 5: kubespan    inet6 fd00::1/64 scope 0 ', 'ours'],
  ['[RULE]Deleted 32500: from all fwmark 0x40/0x60 lookup 180', 'ours'],
  ['[ROUTE]Deleted default dev kubespan table 180 proto 4 metric 1 mtu 1420', 'ours'],
  ['[ROUTE]default via 192.0.2.1 dev eth0 proto 16 metric 100 ', 'others'],
  ['[ROUTE]Deleted default via 2001:db8::9 dev e0 metric 1024 pref medium', 'others'],
  ['[ROUTE]default via 192.0.2.1 dev eth0 table 1800 proto 4', 'others'],
  ['[ROUTE]Deleted default via fe80::1 dev eth0 proto 9 metric 1024', 'others'],
  ['[ROUTE]default dev eth1 table 1800 proto static', undefined],
  ['[ROUTE]10.0.0.0/8 via 192.0.2.254 dev eth0 proto bgp', undefined],
  ['[ROUTE]fe80::/64 dev c0 proto 2 metric 256 pref medium', undefined],
  ['[ROUTE]Deleted 5 ff00::/8 dev veth1 table 255 proto 2 metric 256 pref medium', undefined],
  ['[ADDR]4: e0    inet6 2001:db8::1/64 scope 0 tentative ', 'others'],
  ['[ADDR]4: e0    inet 192.0.2.1/24 brd 192.0.2.255 scope 0 e0', 'others'],
  ['[ADDR]2: docker0    inet6 fe80::8813:84ff:fe84:5847/64 scope 253 ', undefined],
  ['[ADDR]1: lo    inet 127.0.0.1/8 scope 254 lo', undefined],
  ['       valid_lft forever preferred_lft forever', undefined],
  ['    link/[1] a2:f4:9d:aa:91:fc brd ff:ff:ff:ff:ff:ff', undefined],
  ['[LINK]in a form that nobody knows', 'others'],
]

for (const [line, concern] of lines)
  test(`${line.trim()}: ${concern ?? 'nothing to us'}`, () =>
    assert.equal(concernOf(line, placementOf()), concern))

test('routes of other tables count where they decide about ours', () => {
  const concern = (line: string, ...tables: readonly number[]): Concern | undefined =>
    concernOf(line, placementOf(), { otherTables: new Set(tables) })
  const line = '[ROUTE]10.20.0.0/16 via 192.0.2.1 dev eth0 table 7120'
  assert.equal(concern(line, 7120), 'others')
  assert.equal(concern(line, 712, 254), undefined)
  assert.equal(concern('[ROUTE]10.0.0.0/8 dev eth0', 254), undefined)
})

test('what may matter is asked about links of others, by name, and whether it is a card', () => {
  const asked: LinkEvent[] = []
  const ask = (line: string): Concern | undefined =>
    concernOf(line, placementOf(), {
      matters: (event) => {
        asked.push(event)
        return false
      },
    })
  for (const line of [
    '[LINK]6: vethab12@c0: <BROADCAST,MULTICAST,M-DOWN> mtu 1500 qdisc noop master docker0 state DOWN group 0 ',
    '[LINK]Deleted 6: vethab12@NONE: <BROADCAST,MULTICAST> mtu 1500 master docker0 state DOWN ',
    '[LINK]2: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group 0 ',
    '[ADDR]2: docker0    inet 172.17.0.1/16 scope 0 docker0',
    '[LINK]5: kubespan: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420',
  ])
    ask(line)
  assert.deepEqual(asked, [
    { name: 'vethab12', isPaired: true, isAddress: false },
    { name: 'vethab12', isPaired: true, isAddress: false },
    { name: 'docker0', isPaired: false, isAddress: false },
    { name: 'docker0', isPaired: false, isAddress: true },
  ])
  assert.equal(ask('[ADDR]2: eth0    inet 192.0.2.1/24 scope 0 eth0'), undefined)
})
