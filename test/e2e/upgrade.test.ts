import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { addLan } from '../lab/changes.ts'
import { cut } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import type { PingRun } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { patient } from '../support/patience.ts'
import {
  afterPeriod,
  assertNothingInClear,
  eventually,
  FAST,
  footprint,
  PATIENCE_MS,
  peerOf,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

const UPGRADE_LIMIT_MS = 60_000
const LOST_SHARE_MAX = 0.01
/** In which that is the share. */
const WINDOW_MS = 60_000

/** When the host has begun to send WireGuard's packets to its first LAN, after a pause without any. */
async function triesOn(host: LabHost): Promise<() => Promise<readonly number[]>> {
  await host.sh(
    [
      'nft add table inet tries',
      "nft add chain inet tries out '{ type filter hook output priority 100; }'",
      'nft add rule inet tries out oifname eth1 udp dport 51820 counter',
    ].join('\n'),
  )
  const at: number[] = []
  let [before, lastAt] = [0, Number.NEGATIVE_INFINITY]
  return async () => {
    const { stdout } = await host.exec('nft', ['list', 'table', 'inet', 'tries'])
    const packets = Number(/packets (\d+)/.exec(stdout)?.[1])
    if (packets > before) {
      if (performance.now() - lastAt > QUIET_BETWEEN_TRIES_MS) at.push(performance.now())
      lastAt = performance.now()
    }
    before = packets
    return at
  }
}
const QUIET_BETWEEN_TRIES_MS = 2_000

/** Two hosts in a mesh that exchange ten echoes a second by the only way there is. */
async function talkOverWan() {
  await using made = new AsyncDisposableStack()
  const hosts = ['a', 'b'].map((name) => publicHost(name, { families: [4] }))
  const lab = made.use(await Lab.create(topology({ hosts }), { prefix: 'e2eupgrade' }))
  const [a, b] = [lab.host('a'), lab.host('b')]
  const mesh = made.use(new Mesh(lab, { timing: FAST }))
  await mesh.startDiscovery()
  for (const host of [a, b]) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const pinger = made.use(await steadyPing(a, await ulaOf(mesh, b)))
  const kept = made.move()
  return { lab, mesh, a, b, pinger, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

function assertFewLost({ sent, received }: PingRun): void {
  assert.ok((sent - received) / sent <= LOST_SHARE_MAX, `${sent - received} of ${sent} lost`)
}

test('two peers that talk over the wan move to a LAN that appears, without losing their session', {
  skip,
}, async () => {
  await using talk = await talkOverWan()
  const { lab, mesh, a, b, pinger } = talk

  await addLan(lab, 'office', [a, b])
  const startedAt = performance.now()
  for (const [host, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { v4 } = other.lans.get('office') ?? {}
    await mesh.until(
      host,
      (view) => peerOf(view, other)?.endpoint === `${v4?.address}:51820`,
      UPGRADE_LIMIT_MS,
    )
  }
  const took = performance.now() - startedAt
  assert.ok(took <= patient(UPGRADE_LIMIT_MS), `upgraded after ${Math.round(took)} ms`)
  // Both stay there.
  await afterPeriod(mesh, a, 10_000)
  for (const host of [a, b]) {
    const { stdout } = await host.sh('nft list ruleset')
    assert.doesNotMatch(stdout, /deaf/, 'what was needed for a moment is gone')
  }
  assertFewLost(await pinger.stop())
  assert.match(mesh.daemon(a).output, /endpoint changed/)
  assert.doesNotMatch(mesh.daemon(a).output, /"is":"down"/)
  await assertNothingInClear(lab)
})

test('a LAN that is there and carries nothing disturbs nobody, and is tried less and less', {
  skip,
}, async () => {
  await using talk = await talkOverWan()
  const { lab, mesh, a, b, pinger } = talk

  await addLan(lab, 'office', [a, b])
  const startedAt = performance.now()
  await using _dead = await cut(lab, b, 'office')
  const tries = await triesOn(a)
  const until = async (count: number): Promise<void> =>
    void (await eventually(`${count} attempts`, tries, (at) => at.length >= count, PATIENCE_MS))
  await until(2)
  const [first = 0, second = 0] = await tries()
  assert.ok(second - first >= 20_000, `tried again after ${Math.round(second - first)} ms`)
  await afterPeriod(mesh, a, Math.max(2_000, startedAt + WINDOW_MS - performance.now()))
  const view = await mesh.until(a, (now) => peerOf(now, b)?.state === 'up', PATIENCE_MS)
  assert.equal(peerOf(view, b)?.endpoint, `${b.v4}:51820`)
  assertFewLost(await pinger.stop())
  assert.doesNotMatch(mesh.daemon(a).output, /"is":"down"/)
  assert.doesNotMatch(await footprint(a), /deaf/)
  await assertNothingInClear(lab)
})
