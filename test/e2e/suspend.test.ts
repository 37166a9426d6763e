import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { changeAddress } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

const TTL_MS = 4_000

test('a daemon that stands still for longer than its record lives costs nobody a packet', {
  skip,
}, async () => {
  const names = ['a', 'b', 'c', 'd']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2esuspend',
  })
  const [a, b, c, d] = names.map((name) => lab.host(name))
  assert.ok(a && b && c && d)
  await using mesh = new Mesh(lab, {
    timing: { ...FAST, affiliateTtl: `${TTL_MS}ms` },
    discoveryFlags: ['-gc-interval=500ms'],
  })
  await mesh.startDiscovery()
  for (const host of [a, b, c]) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const pingers = [await steadyPing(a, await ulaOf(mesh, b)), await steadyPing(b, await ulaOf(mesh, a))]
  const nodeId = (await mesh.control(b).view()).identity?.nodeId

  mesh.daemon(b).kill('SIGSTOP')
  await mesh.until(
    a,
    ({ affiliates }) => affiliates.find((one) => one.nodeId === nodeId)?.unconfirmedUntil !== undefined,
    PATIENCE_MS,
  )
  // Meanwhile the world goes on.
  await changeAddress(lab, c)
  mesh.startDaemon(d)
  await mesh.until(d, (view) => isUp(view, 'a') && isUp(view, 'c'), PATIENCE_MS)
  await setTimeout(TTL_MS)
  assert.ok(isUp(await afterPeriod(mesh, a), 'b'))

  mesh.daemon(b).kill('SIGCONT')
  await mesh.until(b, (view) => ['a', 'c', 'd'].every((name) => isUp(view, name)), PATIENCE_MS)
  for (const host of [a, c, d])
    await mesh.until(
      host,
      (view) =>
        isUp(view, 'b') && view.affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined),
      PATIENCE_MS,
    )
  const { pid, counters } = await afterPeriod(mesh, b)
  assert.equal(pid, mesh.daemon(b).pid, 'the same daemon')
  assert.equal(counters.failedPasses, 0)
  for (const pinger of pingers) await assertNoneLost(pinger)
  await assertReaches(b, [c.v4 ?? '', await ulaOf(mesh, c), await ulaOf(mesh, d)])
  await assertNothingInClear(lab)
})
