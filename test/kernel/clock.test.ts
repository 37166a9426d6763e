import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import {
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  peerOf,
  steadyPing,
  ulaOf,
} from '../e2e/story.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'

/** All hosts of the lab have the clock of the machine, so only a machine of the test's own may have it set. */
const skip = process.env.OPENSPAN_EMULATED ? false : 'sets the clock of the whole machine'

const HOUR_SECONDS = 3600
const LOST_SHARE_MAX = 0.05

function moveClock(seconds: number): void {
  const goal = Math.round(Date.now() / 1000) + seconds
  const { status, stderr } = spawnSync('date', ['-s', `@${goal}`], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/**
 * In this order: who has seen a handshake refuses earlier ones as repeated (WireGuard, 5.1), so that after a jump back the
 * session lasts for its three minutes and no longer.
 */
const JUMPS = [
  ['forward', HOUR_SECONDS, 'while the daemons run'],
  ['forward', HOUR_SECONDS, 'while one is away'],
  // The other one runs meanwhile.
  ['back', -3 * HOUR_SECONDS, 'while one is away'],
] as const

test('a wall clock that jumps ends no session', { skip }, async (t) => {
  const hosts = ['a', 'b'].map((name) => publicHost(name, { families: [4] }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'clock' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of [a, b]) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  await using pinger = await steadyPing(a, await ulaOf(mesh, b))
  const calm = async (): Promise<void> => {
    for (const host of [a, b]) {
      const { counters } = await mesh.control(host).view()
      // Not by the time of a pass, which may be before the jump and after it.
      const view = await mesh.until(host, (now) => now.counters.passes >= counters.passes + 2, PATIENCE_MS)
      assert.equal(view.counters.peersLost, 0, host.name)
      assert.equal(view.services[0]?.connected, true)
      assert.equal(view.peers.length, 1)
    }
    await pinger.nextAnswer(PATIENCE_MS)
  }

  for (const [where, seconds, when] of JUMPS)
    await t.test(`${where}, ${when}`, async () => {
      const { pid, counters } = await mesh.control(a).view()
      if (when === 'while one is away') {
        await mesh.daemon(a).stop('SIGTERM')
        moveClock(seconds)
        mesh.startDaemon(a)
        await mesh.until(a, (now) => now.pid !== pid && isUp(now, 'b'), PATIENCE_MS)
        await calm()
      } else {
        moveClock(seconds)
        await calm()
        const later = await mesh.control(a).view()
        assert.equal(later.counters.endpointChanges, counters.endpointChanges)
      }
      assert.equal(peerOf(await mesh.control(a).view(), b)?.endpoint, `${b.v4}:51820`)
    })

  const { sent, received } = await pinger.stop()
  assert.ok((sent - received) / sent <= LOST_SHARE_MAX, `${sent - received} of ${sent} lost`)
  await assertReaches(b, [await ulaOf(mesh, a)])
  await assertNothingInClear(lab)
})
