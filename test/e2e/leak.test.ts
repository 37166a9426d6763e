import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { sendDatagrams } from '../lab/transfer.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  eventually,
  FAST,
  PATIENCE_MS,
  skip,
  ulaOf,
} from './story.ts'

const ROUND_SECONDS = 20
const ROUNDS_MIN = 3
const PACKETS_PER_SECOND = 500
const CHANGES_MIN = 200
const CHANGE_EVERY_MS = 250

/** What happens again and again while traffic flows; nobody touches the marks, everything else is fair game. */
const CHANGES = [
  'ip route del default dev kubespan table 180',
  'ip -6 route del default dev kubespan table 180',
  'ip -6 addr flush dev kubespan scope global',
  'ip link set kubespan mtu 1300',
]
/** After these traffic stands until a handshake: done so rarely that it flows in between. */
const BREAKS: Readonly<Record<number, string>> = {
  7: 'ip link set kubespan down',
  20: 'wg set kubespan peer $(wg show kubespan peers | head -1) remove',
  33: 'ip link del kubespan',
}
const BREAKS_EVERY = 40

test('traffic to a peer never leaves in clear, whatever happens to peers, sets and the link', {
  skip,
}, async () => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eleak' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  await assertReaches(a, [b.v4 ?? '', b.v6 ?? ''])

  let isOver = false
  let changes = 0
  const load = {
    packets: ROUND_SECONDS * PACKETS_PER_SECOND,
    bytes: 200,
    packetsPerSecond: PACKETS_PER_SECOND,
  }
  const sendAll = async () => {
    const sums = []
    for (let round = 0; round < ROUNDS_MIN || changes < CHANGES_MIN; round += 1)
      sums.push(
        ...(await Promise.all([b.v4 ?? '', b.v6 ?? ''].map((address) => sendDatagrams(a, b, address, load)))),
      )
    return sums
  }
  const traffic = sendAll().finally(() => {
    isOver = true
  })
  for (; !isOver; changes += 1) {
    // The networks of another peer change, and with them the sets of everybody.
    const podCIDRs = Array.from(
      { length: 1 + (changes % 5) },
      (_, n) => `10.${100 + ((changes + n) % 100)}.0.0/16`,
    )
    mesh.writeConfig(c, { KubeSpanConfig: { advertiseKubernetesNetworks: true }, NodeConfig: { podCIDRs } })
    await mesh.control(c).reload()
    const command = BREAKS[changes % BREAKS_EVERY] ?? CHANGES[changes % CHANGES.length]
    await a.sh(command ?? 'true', { timeoutMilliseconds: 5_000 }).catch(() => {
      // Some of it is gone already.
    })
    await setTimeout(CHANGE_EVERY_MS)
  }
  const sums = await traffic
  await assertNothingInClear(lab)
  const [sent, received] = [sums.map((sum) => sum.sent), sums.map((sum) => sum.received)].map((counts) =>
    counts.reduce((total, count) => total + count),
  )
  assert.ok(sent && received && received > sent / 10, `${received} of ${sent} arrived`)

  await mesh.until(a, (view) => isUp(view, 'b') && isUp(view, 'c'), PATIENCE_MS)
  const ula = await ulaOf(mesh, b)
  // WireGuard itself waits 5 s before it repeats a handshake.
  await eventually(
    'traffic flows again',
    () => pingAll(a, [ula]),
    ([echo]) => echo?.roundTripMilliseconds !== undefined,
  )
  await afterPeriod(mesh, a)
  await assertReaches(a, [b.v4 ?? '', b.v6 ?? '', ula])
  await assertNothingInClear(lab)
})
