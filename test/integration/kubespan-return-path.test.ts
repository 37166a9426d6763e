import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { observePathFilters } from '../../kubespan/apply/ruleset.ts'
import { checkPathFilters } from '../../kubespan/doctor/checks/packets.ts'
import type { DesiredState } from '../../kubespan/model/desired.ts'
import type { Prefix } from '../../shared/net/address.ts'
import { facts, settingsOf } from '../support/doctor-facts.ts'
import { patient } from '../support/patience.ts'
import {
  a,
  ask,
  askFrom,
  assertNothingInClear,
  b,
  counter,
  desiredA,
  desiredB,
  inB,
  ip,
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
/** Of the nodes, on no link: mesh addresses have a route without any mark. */
const V6_A = '2001:db8:66::1'
const V6_B = '2001:db8:77::1'

/** The same question as of a program that is bound to an address. */
const askBoundTo = (localAddress: string, host: string): Promise<string> =>
  new Promise((done) => {
    const socket = connect({ host, port: ORDINARY, localAddress, timeout: patient(1500) })
    socket.on('data', (data) => done(String(data)))
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'))
    socket.on('timeout', () => {
      socket.destroy()
      done('timeout')
    })
  })

const assertReached = async (): Promise<void> => {
  for (const goal of GOALS) assert.equal(await ask(goal), 'b', goal)
  assert.equal(await askBoundTo(V6_A, V6_B), 'b', V6_B)
  assert.equal(await askFrom('pod', POD_OF_B), 'b', 'from a pod')
}

async function meshUpWithIpv6(): Promise<void> {
  await ip(`-6 address add ${V6_A}/128 dev lo nodad`)
  await inB(`ip -6 address add ${V6_B}/128 dev lo nodad`)
  // Without one, what has no mark is led into the tunnel as a last resort.
  await ip('-6 route add default dev wire')
  await inB('ip -6 route add default dev wire')
  const [toB, toA] = [desiredA(), desiredB()]
  const withV6 = (desired: DesiredState, address: string): DesiredState => ({
    ...desired,
    peers: desired.peers.map((peer) => ({
      ...peer,
      allowedIps: [...peer.allowedIps, `${address}/128` as Prefix],
    })),
    routedV6: [...desired.routedV6, `${address}/128` as Prefix],
  })
  await meshUp(withV6(toB, V6_B), withV6(toA, V6_A))
}
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
  await meshUpWithIpv6()
  await assertReached()
  for (const [name, chain] of Object.entries(FILTERS))
    await t.test(name, async () => {
      const table = `table inet firewall {\n${chain}\n}`
      await inB('nft -f -', table)
      await a.run('nft', ['-f', '-'], table)
      try {
        await assertReached()
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
      chain given { type filter hook prerouting priority -200; iifname "kubespan-b" meta mark set meta mark | 0x4001; }
      chain translated { type filter hook prerouting priority -100; iifname "kubespan-b" meta mark & 0x60 != 0 counter name ours; }
      chain routed { type filter hook prerouting priority 300; iifname "kubespan-b" fib daddr type != local meta mark & 0x60 != 0 counter name ours; }
      chain delivered { type filter hook input priority 300;
        iifname "kubespan-b" meta mark & 0x60 != 0 counter name ours
        iifname "kubespan-b" meta mark & 0x4001 == 0x4001 counter name theirs
        iifname "kubespan-b" meta mark & 0x4001 != 0x4001 counter name lost; }
    }`,
  )
  try {
    await assertReached()
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
      await assertReached()
      assert.deepEqual(
        checkPathFilters(facts({ pathFilters: { value: await observePathFilters(b) }, settings })),
        [],
      )
    } finally {
      await inB('nft delete table inet firewall')
    }
  }
})
