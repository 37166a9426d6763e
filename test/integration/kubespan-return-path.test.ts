import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPathFilters } from '../../kubespan/doctor/checks/packets.ts'
import { observePathFilters } from '../../kubespan/doctor/observe-path-filters.ts'
import { facts, settingsOf } from '../support/doctor-facts.ts'
import {
  a,
  ask,
  askFrom,
  assertNothingInClear,
  b,
  counter,
  inB,
  meshUp,
  NODE_B,
  ORDINARY,
  POD_OF_B,
  SILENCE_MS,
  ULA_B,
  wireHosts,
} from '../support/wired-hosts.ts'

const skip = wireHosts(import.meta.url)
const GOALS = [NODE_B, POD_OF_B, ULA_B]
const STRICT = 'fib saddr . mark . iif oif missing drop'

/** Filters as they are in use, at their priorities; each alone drops what has no way back by the link that it came by. */
const FILTERS: Readonly<Record<string, string>> = {
  'iptables, table raw': `chain p { type filter hook prerouting priority -300; ${STRICT}; }`,
  'firewalld, once': `chain p { type filter hook prerouting priority -290; meta nfproto ipv6 ${STRICT}; }`,
  'iptables, table mangle, and NixOS': `chain p { type filter hook prerouting priority -150; ${STRICT}; }`,
  'firewalld and NixOS, table mangle': `chain p { type filter hook prerouting priority -140;
    meta nfproto ipv6 ${STRICT}
    meta nfproto ipv4 ${STRICT}; }`,
  'what has a way back is let in, NixOS': `chain p { type filter hook prerouting priority -140; policy drop;
    fib saddr . mark . iif oif exists accept; icmpv6 type 133-137 accept; }`,
  'at the priority of filters': `chain p { type filter hook prerouting priority 0; ${STRICT}; }`,
  'firewalld, strict': `chain p { type filter hook prerouting priority 10;
    icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
    meta nfproto ipv6 ${STRICT}; }`,
  'firewalld, loose':
    'chain p { type filter hook prerouting priority 10; meta nfproto ipv6 fib saddr . mark oif missing drop; }',
  'firewalld, strict-forward': `chain p { type filter hook forward priority 10; meta nfproto ipv6 ${STRICT}; }`,
  'forwarded, of both families': `chain p { type filter hook forward priority 0; ${STRICT}; }`,
  'delivered here': `chain p { type filter hook input priority 0; iifname "kubespan*" ${STRICT}; }`,
}

test('reverse path filters that go by the mark let in what comes out of the tunnel', { skip }, async (t) => {
  await meshUp()
  for (const [name, chain] of Object.entries(FILTERS))
    await t.test(name, async () => {
      const table = `table inet firewall {\n${chain}\n}`
      await inB('nft -f -', table)
      await a.run('nft', ['-f', '-'], table)
      try {
        for (const goal of GOALS) assert.equal(await ask(goal), 'b', goal)
        assert.equal(await askFrom('pod', POD_OF_B), 'b')
      } finally {
        await inB('nft delete table inet firewall')
        await a.run('nft', ['delete', 'table', 'inet', 'firewall'])
      }
    })
  await assertNothingInClear()
})

test('nobody else sees the mark, and the rest of it is not touched', { skip }, async () => {
  await inB(
    'nft -f -',
    `table inet look {
      counter ours { }
      counter theirs { }
      counter lost { }
      chain set { type filter hook prerouting priority -200; iifname "kubespan-b" meta mark set meta mark | 0x4001; }
      chain translated { type filter hook prerouting priority -100; iifname "kubespan-b" meta mark & 0x60 != 0 counter name ours; }
      chain routed { type filter hook prerouting priority 300; iifname "kubespan-b" fib daddr type != local meta mark & 0x60 != 0 counter name ours; }
      chain delivered { type filter hook input priority 300;
        iifname "kubespan-b" meta mark & 0x60 != 0 counter name ours
        iifname "kubespan-b" meta mark & 0x4001 == 0x4001 counter name theirs
        iifname "kubespan-b" meta mark & 0x4001 != 0x4001 counter name lost; }
    }`,
  )
  try {
    for (const goal of GOALS) assert.equal(await ask(goal), 'b', goal)
    assert.equal(await counter('ours', 'look'), 0)
    assert.equal(await counter('lost', 'look'), 0)
    assert.ok((await counter('theirs', 'look')) > 0)
  } finally {
    await inB('nft delete table inet look')
  }
})

test('of a filter that does not go by the mark, doctor tells what lets the mesh through', {
  skip,
}, async () => {
  const settings = settingsOf('', ', placement: {linkName: kubespan-b}')
  for (const chain of [
    'type filter hook prerouting priority -140; fib saddr . iif oif missing drop;',
    'type filter hook prerouting priority -140; policy drop; fib saddr . iif oif exists accept;',
    `type filter hook prerouting priority 200; ${STRICT};`,
  ]) {
    await inB('nft -f -', `table inet firewall {\nchain p { ${chain} }\n}`)
    try {
      assert.notEqual(await ask(POD_OF_B, ORDINARY, SILENCE_MS / 3), 'b', chain)
      const pathFilters = { value: await observePathFilters(b) }
      const [finding] = checkPathFilters(facts({ pathFilters, settings }))
      assert.equal(finding?.severity, 'warning', chain)
      await inB('nft -f -', finding?.mend?.replace(/^nft /, ''))
      for (const goal of GOALS) assert.equal(await ask(goal), 'b', finding?.mend)
      assert.deepEqual(
        checkPathFilters(facts({ pathFilters: { value: await observePathFilters(b) }, settings })),
        [],
      )
    } finally {
      await inB('nft delete table inet firewall')
    }
  }
})
