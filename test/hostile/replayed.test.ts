import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { afterPeriod, PATIENCE_MS, peerOf, skip } from '../e2e/story.ts'
import { isUp } from '../lab/mesh.ts'
import { Bed, Traffic } from './bed.ts'

test('an old record with the former key of a node, told again, cuts no tunnel', { skip }, async (t) => {
  await using bed = await Bed.make('again')
  const { lab, mesh, service } = bed
  const [a, b, c] = ['a', 'b', 'c'].map((name) => bed.host(name))
  assert.ok(a && b && c)
  const id = await bed.nodeId(c)
  const former = await bed.publicKey(c)
  await mesh.daemon(c).stop('SIGKILL')
  rmSync(join(c.stateDirectory, 'kubespan-identity.yaml'))
  mesh.startDaemon(c)
  const hasNewKey = (view: Awaited<ReturnType<typeof afterPeriod>>): boolean =>
    isUp(view, 'c') && peerOf(view, c)?.publicKey !== former
  for (const host of [a, b]) await mesh.until(host, hasNewKey, PATIENCE_MS)
  await mesh.full(PATIENCE_MS)

  await t.test('once', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.order({ do: 'replay', id, place: 0 })
    assert.ok(hasNewKey(await afterPeriod(mesh, a, 4_000)))
    await traffic.assertUnharmed()
  })

  await t.test('in turn with the one that holds', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    const orders = [
      { do: 'replay', id, place: 0 },
      { do: 'say present', ids: [id] },
    ] as const
    await service.order({ do: 'repeat', orders, everyMilliseconds: 500 })
    assert.ok(hasNewKey(await afterPeriod(mesh, a, 4_000)))
    await service.order({ do: 'stop repeating' })
    await traffic.assertUnharmed()
  })
})
