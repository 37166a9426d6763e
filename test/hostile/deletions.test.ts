import assert from 'node:assert/strict'
import { test } from 'node:test'
import { knock } from '../e2e/in-clear.ts'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { AFTER_GRACE_MS, assertNone, Bed, inClear, Traffic } from './bed.ts'

test('what a service says without a seal takes nobody away', { skip }, async (t) => {
  await using bed = await Bed.make('gone')
  const { lab, mesh, service } = bed
  const [a, b, c] = ['a', 'b', 'c'].map((name) => bed.host(name))
  assert.ok(a && b && c)
  const afterGrace = () => Promise.all(lab.hosts.map((host) => afterPeriod(mesh, host, AFTER_GRACE_MS)))

  await t.test('all are deleted, and what they publish is swallowed', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.behave({ swallows: true })
    await service.order({ do: 'say deleted' })
    await afterGrace()
    await traffic.assertUnharmed()
  })

  await t.test('nobody is in the snapshots any more', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.behave({ swallows: true, withholds: 'all' })
    await service.order({ do: 'end watches' })
    await afterGrace()
    await traffic.assertUnharmed()
  })

  await t.test('status and doctor tell of peers that no source vouches for', async () => {
    for (const command of ['status', 'doctor']) {
      const { stdout } = await mesh.kubespan(a, [command], { check: false })
      assert.match(stdout, /no source vouches for 2 live peers/)
    }
  })

  await t.test('a node that is dead, too: nothing for it leaves in clear', async () => {
    await mesh.daemon(c).stop('SIGKILL')
    await c.exec('ip', ['link', 'del', 'kubespan'])
    await Promise.all([a, b].map((host) => afterPeriod(mesh, host, AFTER_GRACE_MS)))
    const before = await lab.leaks()
    await knock(a, [c.v4 ?? '', c.v6 ?? ''])
    assertNone(await inClear(lab, before))
  })

  await t.test('an honest service again: all is as before', async () => {
    mesh.startDaemon(c)
    await service.behave({})
    await service.order({ do: 'end watches' })
    await mesh.full(PATIENCE_MS)
    const view = await mesh.until(a, ({ affiliates }) => affiliates.length === 3, PATIENCE_MS)
    assert.ok(view.affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined))
  })
})
