import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { lan, publicHost, topology } from '../lab/topology.ts'
import { patient } from '../support/patience.ts'
import { addLanV6, echoesInClear, LAN_V6, watchEchoes } from './in-clear.ts'
import { assertReaches, eventually, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

const PING_EVERY_MS = 2
const ROUNDS = 20
/** Long before anything is due by itself. */
const REPAIRED_WITHIN_MS = 10_000
/** For which pings may go in clear when nothing of nft is left; in half of the rounds, as other tests may keep the machine busy. */
const CLEAR_MS = 50
/** Where the daemon has to wait for its turn. */
const CLEAR_WHEN_BUSY_MS = patient(300)

/** Of these nothing may leave in clear. */
const PURGES: Readonly<Record<string, string>> = {
  'our rules': 'ip rule del pref 32500; ip -6 rule del pref 32500',
  'all rules but the kernel’s':
    'ip rule flush; ip -6 rule flush; for f in -4 -6; do ip $f rule add pref 32766 lookup main; done; ip rule add pref 32767 lookup default',
  'the routes of our table': 'ip route flush table 180; ip -6 route flush table 180',
  'rules and routes':
    'ip rule del pref 32500; ip -6 rule del pref 32500; ip route flush table 180; ip -6 route flush table 180',
  'the chain that marks': 'nft flush chain inet openspan kubespan_outgoing',
  'the chain that guards': 'nft flush chain inet openspan kubespan_guard',
}
/** After these traffic stands until a handshake. */
const BREAKS: Readonly<Record<string, string>> = {
  'the link goes down': 'ip link set kubespan down',
  'the link is removed': 'ip link del kubespan',
}
const NFT_PURGES: Readonly<Record<string, string>> = {
  'our table': 'nft delete table inet openspan',
  'the whole ruleset': 'nft flush ruleset',
}

test('what others purge of ours lets nothing out in clear, but for the table itself', { skip }, async (t) => {
  const hosts = ['a', 'b'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts, lans: [lan('home', 'a', 'b')] }), {
    prefix: 'e2epurge',
  })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await addLanV6(a, b)
  await watchEchoes(b)
  await using mesh = new Mesh(lab, { timing: { ...FAST, reconcileEvery: '10m' } })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const goals = [b.lans.get('home')?.v4?.address ?? '', LAN_V6[1], b.v4 ?? '', b.v6 ?? '']
  await assertReaches(a, [...goals, await ulaOf(mesh, b)])
  const whole = await ours(a)

  await using flood = new Flood(a, goals)
  /** How many echoes have left in clear, once everything is as it was. */
  const purge = async (script: string): Promise<number> => {
    const before = await echoesInClear(b)
    await a.sh(script)
    await eventually(
      script,
      () => ours(a),
      (now) => now === whole,
      REPAIRED_WITHIN_MS,
    )
    return (await echoesInClear(b)) - before
  }

  for (const [name, script] of Object.entries(PURGES))
    await t.test(`${ROUNDS} times ${name}: none in clear`, async () => {
      for (let round = 0; round < ROUNDS; round += 1) assert.equal(await purge(script), 0)
    })

  for (const [name, script] of Object.entries(NFT_PURGES))
    await t.test(`${ROUNDS} times ${name}: at most ${CLEAR_MS} ms in clear`, async (t) => {
      const gaps: number[] = []
      for (let round = 0; round < ROUNDS; round += 1)
        gaps.push(((await purge(script)) / goals.length) * PING_EVERY_MS)
      t.diagnostic(`in clear, ms: ${gaps.map((gap) => gap.toFixed(1)).join(' ')}`)
      assert.ok(gaps.filter((gap) => gap <= CLEAR_MS).length >= ROUNDS / 2, gaps.join(' '))
      assert.ok(
        gaps.every((gap) => gap <= CLEAR_WHEN_BUSY_MS),
        gaps.join(' '),
      )
    })

  for (const [name, script] of Object.entries(BREAKS))
    await t.test(`${name}: none in clear`, async () => {
      assert.equal(await purge(script), 0)
      await mesh.until(a, (view) => isUp(view, 'b'), PATIENCE_MS)
    })

  await flood.end()
  assert.ok(flood.sent > 10_000, `${flood.sent} sent`)
})

/** All that keeps packets in, without what changes by itself. */
const ours = async (host: LabHost): Promise<string> => {
  const { stdout } = await host.sh(
    `exec 2>&1
    ip rule show; ip -6 rule show
    ip route show table 180; ip -6 route show table 180
    nft -s list table inet openspan | grep -v counter`,
    { check: false },
  )
  return stdout
}

/** Pings to all of these, each every few milliseconds, whatever comes back. */
class Flood implements AsyncDisposable {
  readonly #pings
  sent = 0

  constructor(from: LabHost, addresses: readonly string[]) {
    this.#pings = addresses.map((address) =>
      from.spawn('ping', ['-q', '-n', '-i', `${PING_EVERY_MS / 1000}`, address], {
        name: `flood-${address}`,
      }),
    )
  }

  async end(): Promise<void> {
    await Promise.all(this.#pings.map((ping) => ping.stop('SIGINT')))
    for (const { output } of this.#pings)
      this.sent += Number(/(\d+) packets transmitted/.exec(output)?.[1] ?? 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pings.map((ping) => ping[Symbol.asyncDispose]()))
  }
}
