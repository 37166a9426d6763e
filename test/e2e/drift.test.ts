import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertReaches, eventually, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

/** All that is ours on a host, without what changes by itself (link numbers, endpoints, counters). */
const ours = async (host: LabHost): Promise<string> =>
  (
    await host
      .sh(
        [
          'exec 2>&1',
          'ip link show kubespan | grep -o "mtu [0-9]*" || echo no link',
          'ip -o addr show dev kubespan scope global | tr -s " " | cut -d" " -f2-4',
          'ip rule show priority 32500; ip -6 rule show priority 32500',
          'ip route show table 180; ip -6 route show table 180',
          'nft -s list table inet openspan',
          'for what in public-key listen-port fwmark peers preshared-keys; do wg show kubespan $what; done',
          'wg show kubespan allowed-ips | tr "\\t " "\\n\\n" | sort',
        ].join('\n'),
        { timeoutMilliseconds: 10_000 },
      )
      .catch((error: Error) => ({ stdout: error.message }))
  ).stdout

/** Noticed by the monitors of the daemon, long before its next pass is due. */
const SEEN_BY_MONITORS: Readonly<Record<string, string>> = {
  'IPv4 route': 'ip route del default dev kubespan table 180',
  'IPv6 route': 'ip -6 route del default dev kubespan table 180',
  'unreachable route': 'ip route del unreachable default table 180',
  'IPv4 rule': 'ip rule del priority 32500',
  'IPv6 rule': 'ip -6 rule del priority 32500',
  address: 'ip -6 addr flush dev kubespan scope global',
  MTU: 'ip link set kubespan mtu 1300',
  'link down': 'ip link set kubespan down',
  link: 'ip link del kubespan',
  'nft table': 'nft delete table inet openspan',
  'nft set': 'nft flush set inet openspan routed_v4',
  'nft chain': 'nft flush chain inet openspan kubespan_outgoing',
  'nft rule': 'nft insert rule inet openspan kubespan_outgoing accept',
  'nft rule that keeps our comment': `
    rule=$(nft -a list chain inet openspan kubespan_outgoing | grep 'oifname "lo"')
    comment=$(echo "$rule" | sed 's/.*comment "\\(.*\\)".*/\\1/')
    nft replace rule inet openspan kubespan_outgoing handle \${rule##* } accept comment "\\"$comment\\""`,
}

/** The kernel tells nobody of these. */
const SEEN_BY_LOOKING: Readonly<Record<string, string>> = {
  peer: 'wg set kubespan peer $(wg show kubespan peers | head -1) remove',
  'allowed addresses': 'wg set kubespan peer $(wg show kubespan peers | head -1) allowed-ips 10.9.9.9/32',
  key: 'wg genkey | wg set kubespan private-key /dev/stdin',
  mark: 'wg set kubespan fwmark 0x999',
  port: 'wg set kubespan listen-port 4242',
}

test('what others change or remove is restored, and what is theirs is left alone', { skip }, async (t) => {
  await using lab = await Lab.create(topology({ hosts: [publicHost('a'), publicHost('b')] }), {
    prefix: 'e2edrift',
  })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await a.sh(
    [
      'ip rule add priority 32499 fwmark 0x400/0x400 lookup 181',
      'ip rule add priority 100 to 10.200.0.0/16 lookup 181',
      'ip route add 10.200.0.0/16 via 198.18.1.1 table 181',
      'ip route add 10.201.0.0/16 via 198.18.1.1 proto 42',
      'ip link add foreign type bridge',
      'nft add table inet foreign; nft add chain inet foreign c "{ type filter hook output priority 0 ; }"',
      'nft add rule inet foreign c ip daddr 10.250.0.1 drop',
    ].join('\n'),
  )
  const foreign = async (): Promise<string> =>
    (
      await a.sh(
        'ip rule | grep -w 181; ip route show table 181; ip route show proto 42; ip -o link show foreign; nft list table inet foreign',
      )
    ).stdout
  const before = await foreign()
  await using mesh = new Mesh(lab, { timing: { ...FAST, reconcileEvery: '10m' } })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const targets = [await ulaOf(mesh, b), b.v4 ?? '', b.v6 ?? '']
  await assertReaches(a, targets)
  const whole = await ours(a)

  const restores = async (command: string): Promise<void> => {
    await a.sh(command)
    await eventually(
      command,
      () => ours(a),
      (now) => now === whole,
    )
    await assertReaches(a, targets)
  }
  for (const [what, command] of Object.entries(SEEN_BY_MONITORS))
    await t.test(`by the monitors: ${what}`, () => restores(command))

  mesh.writeConfig(a, { NodeConfig: { timing: FAST } })
  await afterPeriod(mesh, a)
  for (const [what, command] of Object.entries(SEEN_BY_LOOKING))
    await t.test(`by looking: ${what}`, () => restores(command))

  await t.test('then it stays so, and what is not ours is as it was', async () => {
    await afterPeriod(mesh, a)
    const { counters } = await mesh.control(a).view()
    const later = await afterPeriod(mesh, a)
    assert.equal(later.counters.hostChanges, counters.hostChanges, 'nothing is changed any more')
    assert.equal(await ours(a), whole)
    assert.equal(await foreign(), before)
    assert.ok(later.counters.driftRepairs >= Object.keys(SEEN_BY_MONITORS).length)
  })
})
