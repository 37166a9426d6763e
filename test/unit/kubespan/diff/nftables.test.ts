import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planNftTable } from '../../../../kubespan/diff/nft-table.ts'
import { type NftTableView, parseNftTable } from '../../../../kubespan/diff/nft-view.ts'
import { diffNftTable, ruleComment } from '../../../../kubespan/diff/nftables.ts'
import type { DesiredState } from '../../../../kubespan/model/desired.ts'
import type { AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'
import { desiredOf, peersOf, placementOf } from '../../../support/desired-states.ts'
import { FakeNft } from '../../../support/host/fake-nft.ts'

const observe = (nft: FakeNft): NftTableView | undefined =>
  nft.tables.has('inet openspan')
    ? parseNftTable(nft.nft(['-j', 'list', 'table', 'inet', 'openspan'], undefined))
    : undefined

function apply(nft: FakeNft, desired: DesiredState): number {
  const { script, changes } = diffNftTable('openspan', planNftTable(desired), observe(nft))
  if (script !== '') nft.nft(['-f', '-'], script)
  return changes.length
}

const prefixesV4 = fc
  .array(fc.tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 9, max: 32 })), { maxLength: 8 })
  .map((rows) => PrefixSet.of(rows.map(([a, b, bits]) => `10.${a}.${b}.0/${bits}` as Prefix)).toPrefixes())

const desires = fc
  .record({
    routedV4: prefixesV4,
    ports: fc.subarray([80, 443, 3000]),
    mtuBytes: fc.constantFrom(1280, 1420),
  })
  .map(({ routedV4, ports, mtuBytes }) =>
    desiredOf([], {
      routedV4,
      mtuBytes,
      bypass: {
        destinations: ports.map((port) => `192.0.2.1:${port}` as AddressPort),
        localPorts: ports,
        conntrackMark: 0x80,
      },
    }),
  )

test('whatever the table was, one transaction makes it as desired, and then there is nothing to do', () => {
  fc.assert(
    fc.property(desires, desires, (before, after) => {
      const nft = new FakeNft()
      apply(nft, before)
      apply(nft, after)
      assert.equal(apply(nft, after), 0)
    }),
  )
})

test('the whole script, from nothing', () => {
  const desired = desiredOf([], {
    routedV4: ['10.0.0.0/8', '192.0.2.1/32'] as Prefix[],
    bypass: { destinations: ['192.0.2.7:443' as AddressPort], localPorts: [3000], conntrackMark: 0x80 },
  })
  const { script } = diffNftTable('openspan', planNftTable(desired), undefined)
  const body = script.replaceAll(/ comment "kubespan [0-9a-f]{8}"/g, '').replaceAll(' inet openspan ', ' ')
  assert.equal(
    body,
    `add table inet openspan
add set routed_v4 { type ipv4_addr; flags interval; }
add element routed_v4 { 10.0.0.0/8, 192.0.2.1 }
add set routed_v6 { type ipv6_addr; flags interval; }
add element routed_v6 { fd11:2233:4455:6602::/64 }
add set bypass_v4 { type ipv4_addr . inet_service; }
add element bypass_v4 { 192.0.2.7 . 443 }
add set bypass_v6 { type ipv6_addr . inet_service; }
add set bypass_ports { type inet_service; }
add element bypass_ports { 3000 }
add set older_v4 { type ipv4_addr . inet_service . inet_service; flags timeout; timeout 3600s; }
add set older_v6 { type ipv6_addr . inet_service . inet_service; flags timeout; timeout 3600s; }
add chain kubespan_inbound { type filter hook prerouting priority -150; policy accept; }
add rule kubespan_inbound iifname != "lo" iifname != "kubespan" fib daddr type local tcp dport @bypass_ports ct direction original ct mark set ct mark | 0x80
add chain kubespan_prerouting { type filter hook prerouting priority 0; policy accept; }
add rule kubespan_prerouting meta mark & 0x60 == 0x20 accept
add rule kubespan_prerouting ct direction reply ct mark & 0x80 == 0x80 accept
add rule kubespan_prerouting ip daddr @routed_v4 tcp flags & (syn|rst) == syn tcp option maxseg size > 1368 tcp option maxseg size set 1368
add rule kubespan_prerouting ip6 daddr @routed_v6 tcp flags & (syn|rst) == syn tcp option maxseg size > 1348 tcp option maxseg size set 1348
add rule kubespan_prerouting ip daddr @routed_v4 meta mark set meta mark & 0xffffff9f | 0x40 accept
add rule kubespan_prerouting ip6 daddr @routed_v6 meta mark set meta mark & 0xffffff9f | 0x40 accept
add chain kubespan_outgoing { type route hook output priority 0; policy accept; }
add rule kubespan_outgoing meta mark & 0x60 == 0x20 accept
add rule kubespan_outgoing oifname "lo" accept
add rule kubespan_outgoing ip daddr . tcp dport @bypass_v4 accept
add rule kubespan_outgoing ip6 daddr . tcp dport @bypass_v6 accept
add rule kubespan_outgoing ct direction reply ct mark & 0x80 == 0x80 accept
add rule kubespan_outgoing tcp sport @bypass_ports ct mark & 0x80 == 0x80 accept
add rule kubespan_outgoing ip daddr . tcp dport . tcp sport @older_v4 ct mark set ct mark | 0x80 accept
add rule kubespan_outgoing ip6 daddr . tcp dport . tcp sport @older_v6 ct mark set ct mark | 0x80 accept
add rule kubespan_outgoing ip daddr @routed_v4 tcp flags & (syn|rst) == syn tcp option maxseg size > 1368 tcp option maxseg size set 1368
add rule kubespan_outgoing ip6 daddr @routed_v6 tcp flags & (syn|rst) == syn tcp option maxseg size > 1348 tcp option maxseg size set 1348
add rule kubespan_outgoing ip daddr @routed_v4 meta mark set meta mark & 0xffffff9f | 0x40 accept
add rule kubespan_outgoing ip6 daddr @routed_v6 meta mark set meta mark & 0xffffff9f | 0x40 accept
`,
  )
})

test('a change of peers changes sets and nothing else, in one transaction', () => {
  const nft = new FakeNft()
  apply(nft, desiredOf(peersOf(3)))
  const { script, changes } = diffNftTable('openspan', planNftTable(desiredOf(peersOf(2))), observe(nft))
  assert.deepEqual(script.split('\n'), [
    'delete element inet openspan routed_v4 { 10.100.3.0/24, 198.18.0.3 }',
    'delete element inet openspan routed_v6 { 2001:db8:3::/64 }',
    '',
  ])
  assert.deepEqual(changes[0], { action: 'change', what: 'set routed_v4', reason: '0 missing, 2 too many' })
})

test('a set with something in it that we never write is filled anew', () => {
  const nft = new FakeNft()
  const desired = desiredOf(peersOf(2))
  apply(nft, desired)
  const observed = observe(nft)
  const set = observed?.sets.get('routed_v4')
  assert.ok(observed && set)
  const strange = { ...set, elements: [...set.elements, '{"range":["10.0.0.1","10.0.0.5"]}'] }
  const { script } = diffNftTable('openspan', planNftTable(desired), {
    ...observed,
    sets: new Map([...observed.sets, ['routed_v4', strange]]),
  })
  assert.match(script, /^flush set inet openspan routed_v4\nadd element inet openspan routed_v4 \{ /)
})

test('without local ports nothing asks for connections', () => {
  const { chains } = planNftTable(desiredOf([]))
  assert.deepEqual(
    chains.map(({ name }) => name),
    ['kubespan_prerouting', 'kubespan_outgoing'],
  )
  assert.ok(!chains.some(({ rules }) => rules.some((rule) => /\bct\b/.test(rule))))
})

test('other marks, another link and another table', () => {
  const placement = placementOf({
    linkName: 'mesh0',
    wireguardFwmark: 0x1000,
    routeFwmark: 0x2000,
    fwmarkMask: 0x3000,
  })
  const bypass = { destinations: [], localPorts: [1], conntrackMark: 0x8000 }
  const rules = planNftTable(desiredOf([], { placement, bypass }))
    .chains.flatMap((chain) => chain.rules)
    .join('\n')
  assert.match(rules, /meta mark & 0x3000 == 0x1000 accept/)
  assert.match(rules, /meta mark set meta mark & 0xffffcfff \| 0x2000 accept/)
  assert.match(rules, /iifname != "mesh0"/)
  assert.ok(!/0x40|0x60|0x20 /.test(rules))
})

test('a rule is known by what it says', () => {
  assert.notEqual(ruleComment('a'), ruleComment('b'))
  assert.match(ruleComment('a'), /^kubespan [0-9a-f]{8}$/)
})

test('elements of forms that we never write are seen as not ours', () => {
  const elem = [
    { range: ['10.0.0.0', '10.0.0.9'] },
    { elem: { val: '10.0.0.1', comment: 'x' } },
    null,
    'example',
    { prefix: { addr: '2001:DB8::', len: 32 } },
  ]
  const listing = { nftables: [{ set: { name: 's', type: 'ipv4_addr', flags: ['interval'], elem } }] }
  const elements = parseNftTable(JSON.stringify(listing)).sets.get('s')?.elements
  assert.deepEqual(elements, [
    '{"range":["10.0.0.0","10.0.0.9"]}',
    '{"elem":{"val":"10.0.0.1","comment":"x"}}',
    'null',
    'example',
    '2001:db8::/32',
  ])
})
