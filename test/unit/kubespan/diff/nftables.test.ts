import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { holdRouted } from '../../../../kubespan/diff/hold-routed.ts'
import { ruleComment, type ShownRules, shownRules } from '../../../../kubespan/diff/nft-chains.ts'
import { planNftTable } from '../../../../kubespan/diff/nft-table.ts'
import { type NftTableView, parseNftTable } from '../../../../kubespan/diff/nft-view.ts'
import { diffNftTable, type NftDiff } from '../../../../kubespan/diff/nftables.ts'
import type { DesiredState } from '../../../../kubespan/model/desired.ts'
import type { Address, AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'
import { desiredOf, peersOf, placementOf } from '../../../support/desired-states.ts'
import { FakeNft } from '../../../support/host/fake-nft.ts'

const observe = (nft: FakeNft): NftTableView | undefined =>
  nft.tables.has('inet openspan')
    ? parseNftTable(nft.nft(['-j', 'list', 'table', 'inet', 'openspan'], undefined))
    : undefined

const NOTHING_SHOWN: ShownRules = new Map()

/** As if all rules that stand there had been written by this run. */
const diff = (nft: FakeNft, desired: DesiredState): NftDiff => {
  const observed = observe(nft)
  return diffNftTable('openspan', planNftTable(desired), observed, shownRules(observed))
}

function apply(nft: FakeNft, desired: DesiredState): number {
  const { scripts, changes } = diff(nft, desired)
  for (const script of scripts) nft.nft(['-f', '-'], script)
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

test('whatever the table was, it is made as desired, and then there is nothing to do', () => {
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
    forwarding: { sources: ['10.66.0.0/24'] as Prefix[] },
    local: { neighbours: ['192.0.2.254/32'] as Prefix[], kept: ['192.0.2.254/32'] as Prefix[] },
  })
  const { scripts } = diffNftTable('openspan', planNftTable(desired), undefined, NOTHING_SHOWN)
  const script = scripts.join('')
  const body = script.replaceAll(/ comment "kubespan [0-9a-f]{8}"/g, '').replaceAll(' inet openspan ', ' ')
  assert.equal(
    body,
    `add table inet openspan
delete table inet openspan
add table inet openspan
add counter strays
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
add set local_v4 { type ipv4_addr; flags interval; }
add element local_v4 { 192.0.2.254 }
add set local_v6 { type ipv6_addr; flags interval; }
add set own_v4 { type ipv4_addr; flags interval; }
add element own_v4 { 10.66.0.0/24 }
add set own_v6 { type ipv6_addr; flags interval; }
add chain kubespan_inbound { type filter hook prerouting priority -150; policy accept; }
add rule kubespan_inbound iifname != "lo" iifname != "kubespan" fib daddr type local tcp dport @bypass_ports ct direction original ct mark set ct mark | 0x80
add chain kubespan_input { type filter hook input priority 0; policy accept; }
add rule kubespan_input iifname "kubespan" udp dport 51820 drop
add chain kubespan_back { type filter hook prerouting priority -310; policy accept; }
add rule kubespan_back iifname "kubespan" ip saddr @local_v4 drop
add rule kubespan_back iifname "kubespan" ip6 saddr @local_v6 drop
add rule kubespan_back iifname "kubespan" meta mark set meta mark & 0xffffff9f | 0x40
add chain kubespan_back_end { type filter hook prerouting priority -110; policy accept; }
add rule kubespan_back_end iifname "kubespan" meta mark set meta mark & 0xffffff9f
add chain kubespan_back_late { type filter hook prerouting priority -5; policy accept; }
add rule kubespan_back_late iifname "kubespan" meta mark set meta mark & 0xffffff9f | 0x40
add chain kubespan_back_late_end { type filter hook prerouting priority 15; policy accept; }
add rule kubespan_back_late_end iifname "kubespan" meta mark set meta mark & 0xffffff9f
add chain kubespan_back_input { type filter hook input priority -5; policy accept; }
add rule kubespan_back_input iifname "kubespan" meta mark set meta mark & 0xffffff9f | 0x40
add chain kubespan_back_input_end { type filter hook input priority 15; policy accept; }
add rule kubespan_back_input_end iifname "kubespan" meta mark set meta mark & 0xffffff9f
add chain kubespan_back_forward { type filter hook forward priority -5; policy accept; }
add rule kubespan_back_forward iifname "kubespan" meta mark set meta mark & 0xffffff9f | 0x40
add rule kubespan_back_forward iifname != "kubespan" oifname "kubespan" meta mark set meta mark & 0xffffff9f
add chain kubespan_back_forward_end { type filter hook forward priority 15; policy accept; }
add rule kubespan_back_forward_end iifname "kubespan" oifname != "kubespan" meta mark set meta mark & 0xffffff9f
add rule kubespan_back_forward_end oifname "kubespan" meta mark set meta mark & 0xffffff9f | 0x40
add chain kubespan_prerouting { type filter hook prerouting priority 20; policy accept; }
add rule kubespan_prerouting ip6 hoplimit 255 icmpv6 type 133-137 accept
add rule kubespan_prerouting ct direction reply ct mark & 0x80 == 0x80 accept
add rule kubespan_prerouting ip daddr @routed_v4 fib daddr type local accept
add rule kubespan_prerouting ip6 daddr @routed_v6 fib daddr type local accept
add rule kubespan_prerouting iifname != "kubespan" ip saddr != @own_v4 ct status & dnat == 0 accept
add rule kubespan_prerouting iifname != "kubespan" ip6 saddr != @own_v6 ct status & dnat == 0 accept
add rule kubespan_prerouting ip daddr @routed_v4 tcp flags & (syn|rst) == syn tcp option maxseg size > 1368 tcp option maxseg size set 1368
add rule kubespan_prerouting ip6 daddr @routed_v6 tcp flags & (syn|rst) == syn tcp option maxseg size > 1348 tcp option maxseg size set 1348
add rule kubespan_prerouting ip daddr @routed_v4 meta mark set meta mark & 0xffffff9f | 0x40 accept
add rule kubespan_prerouting ip6 daddr @routed_v6 meta mark set meta mark & 0xffffff9f | 0x40 accept
add chain kubespan_unmark { type filter hook output priority -1; policy accept; }
add rule kubespan_unmark meta mark & 0x60 == 0x40 ip daddr @routed_v4 meta mark set meta mark & 0xffffff9f
add rule kubespan_unmark meta mark & 0x60 == 0x40 ip6 daddr @routed_v6 meta mark set meta mark & 0xffffff9f
add chain kubespan_outgoing { type route hook output priority 0; policy accept; }
add rule kubespan_outgoing oifname "lo" accept
add rule kubespan_outgoing udp sport 51820 meta mark & 0x60 == 0x20 accept
add rule kubespan_outgoing udp sport 51820 meta mark set meta mark & 0xffffff9f | 0x20 accept
add rule kubespan_outgoing ip6 hoplimit 255 icmpv6 type 133-137 accept
add rule kubespan_outgoing udp sport 68 udp dport 67 accept
add rule kubespan_outgoing udp sport 67 udp dport 68 accept
add rule kubespan_outgoing udp sport 546 udp dport 547 accept
add rule kubespan_outgoing udp sport 547 udp dport 546 accept
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
add chain kubespan_guard { type filter hook postrouting priority 99; policy accept; }
add rule kubespan_guard oifname "kubespan" accept
add rule kubespan_guard oifname "lo" accept
add rule kubespan_guard udp sport 51820 accept
add rule kubespan_guard ip6 hoplimit 255 icmpv6 type 133-137 accept
add rule kubespan_guard meta mark & 0x60 == 0x40 ip daddr @routed_v4 counter name strays drop
add rule kubespan_guard meta mark & 0x60 == 0x40 ip6 daddr @routed_v6 counter name strays drop
add rule kubespan_guard udp sport 68 udp dport 67 accept
add rule kubespan_guard udp sport 67 udp dport 68 accept
add rule kubespan_guard udp sport 546 udp dport 547 accept
add rule kubespan_guard udp sport 547 udp dport 546 accept
add rule kubespan_guard ip daddr . tcp dport @bypass_v4 accept
add rule kubespan_guard ip6 daddr . tcp dport @bypass_v6 accept
add rule kubespan_guard ct direction reply ct mark & 0x80 == 0x80 accept
add rule kubespan_guard tcp sport @bypass_ports ct mark & 0x80 == 0x80 accept
add rule kubespan_guard iifname != "kubespan" ip saddr != @own_v4 ct status & dnat == 0 accept
add rule kubespan_guard iifname != "kubespan" ip6 saddr != @own_v6 ct status & dnat == 0 accept
add rule kubespan_guard ip daddr @routed_v4 counter name strays drop
add rule kubespan_guard ip6 daddr @routed_v6 counter name strays drop
`,
  )
})

test('a change of peers changes sets and nothing else, in one transaction', () => {
  const nft = new FakeNft()
  apply(nft, desiredOf(peersOf(3)))
  const { scripts, changes } = diff(nft, desiredOf(peersOf(2)))
  assert.equal(scripts.length, 1)
  assert.deepEqual(scripts[0]?.split('\n'), [
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
  const { scripts } = diffNftTable(
    'openspan',
    planNftTable(desired),
    { ...observed, sets: new Map([...observed.sets, ['routed_v4', strange]]) },
    shownRules(observed),
  )
  assert.match(
    scripts[1] ?? '',
    /^flush set inet openspan routed_v4\nadd element inet openspan routed_v4 \{ /,
  )
})

test('without local ports nothing asks for connections', () => {
  const { chains } = planNftTable(desiredOf([]))
  assert.deepEqual(
    chains.map(({ name }) => name),
    [
      'kubespan_input',
      ...['back', 'back_late', 'back_input', 'back_forward'].flatMap((name) => [
        `kubespan_${name}`,
        `kubespan_${name}_end`,
      ]),
      'kubespan_prerouting',
      'kubespan_unmark',
      'kubespan_outgoing',
      'kubespan_guard',
    ],
  )
  assert.ok(!chains.some(({ rules }) => rules.some((rule) => /\bct\b/.test(rule))))
})

test('only a host that forwards asks for connections to tell whose packets they are', () => {
  const rules = (said: Partial<DesiredState>): string =>
    planNftTable(desiredOf([], said))
      .chains.flatMap((chain) => chain.rules)
      .join('\n')
  assert.ok(!/own_v/.test(rules({})))
  assert.match(rules({ forwarding: { sources: [] } }), /ip saddr != @own_v4 ct status & dnat == 0 accept/)
})

test('until it is known who is in the mesh, pods of an earlier run stay ours, and a neighbour is let go', () => {
  const nft = new FakeNft()
  apply(
    nft,
    desiredOf([], {
      routedV4: ['10.1.0.0/16', '192.0.2.1/32'] as Prefix[],
      forwarding: { sources: ['10.66.0.0/24'] as Prefix[] },
    }),
  )
  const neighbours = ['192.0.2.1/32'] as Prefix[]
  const held = holdRouted(
    desiredOf([], {
      isProvisional: true,
      local: { neighbours, kept: neighbours },
      forwarding: { sources: ['192.0.2.7/32'] as Prefix[] },
    }),
    observe(nft),
  )
  assert.deepEqual(held.routedV4, ['10.1.0.0/16'])
  assert.deepEqual(held.forwarding?.sources, ['10.66.0.0/24', '192.0.2.7/32'])
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

/** How often this address would be in no set: after a transaction, or within one once elements are out and none is in yet. */
function countUncovered(nft: FakeNft, scripts: readonly string[], address: Address): number {
  let count = 0
  for (const script of scripts) {
    const before = structuredClone(nft.tables)
    const removals = script.split('\n').filter((line) => REMOVAL.test(line))
    nft.nft(['-f', '-'], removals.join('\n'))
    if (nft.markOf(address) === 0) count += 1
    nft.tables = before
    nft.nft(['-f', '-'], script)
    if (nft.markOf(address) === 0) count += 1
  }
  return count
}
const REMOVAL = /^(delete element|flush set) inet openspan routed_v4\b/

test('an address that moves from one prefix into another is covered all the while', () => {
  const goal = '10.1.2.3' as Address
  const steps = ['10.1.0.0/16', '10.0.0.0/8', '10.1.2.0/24', '10.0.0.0/9', '10.1.2.3/32', '0.0.0.0/0']
  for (const also of [[], ['192.0.2.0/24']]) {
    const nft = new FakeNft()
    const desired = (step: string): DesiredState =>
      desiredOf([], { routedV4: (step === '0.0.0.0/0' ? [step] : [step, ...also]) as Prefix[] })
    apply(nft, desired('10.1.0.0/16'))
    for (const step of steps.slice(1)) {
      const { scripts, changes } = diff(nft, desired(step))
      assert.equal(scripts.length, 3, step)
      assert.deepEqual(
        changes.map(({ what }) => what),
        ['set routed_v4'],
      )
      assert.equal(countUncovered(nft, scripts, goal), 0, step)
      assert.equal(apply(nft, desired(step)), 0)
      assert.ok(!nft.tables.get('inet openspan')?.sets.has('routed_v4_cover'))
    }
  }
})

test('prefixes that have nothing in common with those that go are added in the same transaction', () => {
  const nft = new FakeNft()
  apply(nft, desiredOf([], { routedV4: ['10.0.0.0/8'] as Prefix[] }))
  assert.equal(diff(nft, desiredOf([], { routedV4: ['192.0.2.0/24'] as Prefix[] })).scripts.length, 1)
})

test('a change that was cut off is taken up again, and leaves nothing', () => {
  const desired = (prefix: string): DesiredState => desiredOf([], { routedV4: [prefix] as Prefix[] })
  const [before, after] = [desired('10.1.0.0/16'), desired('10.0.0.0/8')]
  for (const done of [1, 2])
    for (const then of [before, after]) {
      const nft = new FakeNft()
      apply(nft, before)
      for (const script of diff(nft, after).scripts.slice(0, done)) nft.nft(['-f', '-'], script)
      assert.ok(apply(nft, then) > 0)
      assert.equal(apply(nft, then), 0)
      assert.ok(!nft.tables.get('inet openspan')?.sets.has('routed_v4_cover'))
    }
})

test('where a chain is missing there is nothing to keep covered, and one transaction mends all', () => {
  const nft = new FakeNft()
  apply(nft, desiredOf([], { routedV4: ['10.1.0.0/16'] as Prefix[] }))
  nft.nft(['-f', '-'], 'delete chain inet openspan kubespan_outgoing')
  const wider = desiredOf([], { routedV4: ['10.0.0.0/8'] as Prefix[] })
  const { scripts, changes } = diff(nft, wider)
  assert.equal(scripts.length, 1)
  assert.equal(changes.length, 2)
  apply(nft, wider)
  assert.equal(apply(nft, wider), 0)
})

test('rules that nobody in this run has written, or that are shown otherwise by now, are written again', () => {
  const nft = new FakeNft()
  const desired = desiredOf([])
  apply(nft, desired)
  const observed = observe(nft)
  const reasons = (shown: ShownRules): string[] =>
    diffNftTable('openspan', planNftTable(desired), observed, shown).changes.map(({ reason }) => reason)
  assert.deepEqual(reasons(shownRules(observed)), [])
  assert.deepEqual(reasons(NOTHING_SHOWN), Array(13).fill('rules of an earlier run'))
  const inTwo = ruleComment('oifname "lo" accept')
  const other = new Map([...shownRules(observed), [inTwo, 'accept']])
  assert.deepEqual(reasons(other), ['rules that say something else', 'rules that say something else'])
})
