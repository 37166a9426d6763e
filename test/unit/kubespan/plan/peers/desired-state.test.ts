import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Placement } from '../../../../../kubespan/model/desired.ts'
import { type DesiredStateInput, planDesiredState } from '../../../../../kubespan/plan/peers/desired-state.ts'
import type { Address, AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../../shared/net/prefix-set.ts'
import { specOf, statusOf } from '../../../../support/peers.ts'

const prefixes = (...texts: string[]) => texts as Prefix[]
const placement = { linkName: 'kubespan' } as Placement

const input: DesiredStateInput = {
  placement,
  mtuBytes: 1420,
  identity: { address: 'fd11:2233:4455:6602::1' as Address, subnet: 'fd11:2233:4455:6602::/64' as Prefix },
  specs: [
    specOf({
      publicKey: 'b',
      allowedIps: prefixes('10.0.0.2/32', '10.244.1.0/24', '2001:db8::2/128', 'fd11:2233:4455:6602::2/128'),
    }),
    specOf({
      publicKey: 'a',
      allowedIps: prefixes('10.0.0.3/32', '10.244.0.0/24', 'fd11:2233:4455:6603::2/128'),
    }),
  ],
  statuses: new Map([['a', statusOf({ state: 'up' })]]),
  endpoints: new Map([['b', '203.0.113.2:51820' as AddressPort]]),
  allowDownPeerBypass: false,
}

test('the whole wish: peers by key, and everything of everyone is routed', () => {
  assert.deepEqual(planDesiredState(input), {
    placement,
    mtuBytes: 1420,
    address: 'fd11:2233:4455:6602::1',
    addressBits: 64,
    peers: [
      { publicKey: 'a', allowedIps: input.specs[1]?.allowedIps, endpoint: undefined },
      { publicKey: 'b', allowedIps: input.specs[0]?.allowedIps, endpoint: '203.0.113.2:51820' },
    ],
    routedV4: ['10.0.0.2/31', '10.244.0.0/23'],
    routedV6: ['2001:db8::2/128', 'fd11:2233:4455:6603::2/128'],
  })
})

test('with the bypass allowed only peers that are up are routed', () => {
  const { peers, routedV4, routedV6 } = planDesiredState({ ...input, allowDownPeerBypass: true })
  assert.equal(peers.length, 2)
  assert.deepEqual([routedV4, routedV6], [['10.0.0.3/32', '10.244.0.0/24'], ['fd11:2233:4455:6603::2/128']])
})

test('without peers nothing is routed', () => {
  const { peers, routedV4, routedV6 } = planDesiredState({ ...input, specs: [] })
  assert.deepEqual([peers, routedV4, routedV6], [[], [], []])
})

test('who claims everything is not sent what belongs to one link or to this host', () => {
  const everything = specOf({ publicKey: 'c', allowedIps: prefixes('0.0.0.0/0', '::/0') })
  const { peers, routedV4, routedV6 } = planDesiredState({ ...input, specs: [everything] })
  assert.deepEqual(peers[0]?.allowedIps, ['0.0.0.0/0', '::/0'], 'WireGuard is told all of it')
  const routed = PrefixSet.of([...routedV4, ...routedV6])
  const links = [
    '0.0.0.0',
    '127.0.0.1',
    '169.254.169.254',
    '224.0.0.251',
    '239.255.255.250',
    '255.255.255.255',
  ]
  for (const address of [...links, '::', '::1', 'fe80::1', 'ff02::fb', 'ff0e::1'])
    assert.ok(!routed.contains(address as Address), address)
  for (const address of [
    '1.1.1.1',
    '126.255.255.255',
    '169.253.255.255',
    '240.0.0.1',
    '255.255.255.254',
    '::2',
    'fec0::1',
    '2001:db8::1',
  ])
    assert.ok(routed.contains(address as Address), address)
})
