import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkDown } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  peerOf,
  skip,
  ulaOf,
} from './story.ts'

test('who does not come back is forgotten, and whoever takes its address is not mistaken for it', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2ettl' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, {
    timing: { ...FAST, affiliateTtl: '6s', liveWithin: '3s', graceAfterLoss: '2s', holdAfterLoss: '4s' },
    discoveryFlags: ['-gc-interval=500ms'],
  })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const { identity } = await mesh.control(c).view()

  await t.test('another node with the same addresses replaces one that died', async () => {
    await mesh.daemon(c).stop('SIGKILL')
    await c.sh(`ip link del kubespan; find ${c.stateDirectory} -type f -delete`)
    mesh.startDaemon(c)
    const fresh = await mesh.until(c, (view) => isUp(view, 'a') && isUp(view, 'b'), PATIENCE_MS)
    assert.notEqual(fresh.identity?.nodeId, identity?.nodeId)
    assert.notEqual(fresh.identity?.publicKey, identity?.publicKey)
    for (const host of [a, b]) {
      await mesh.until(
        host,
        ({ peers, affiliates }) =>
          peers.some(({ publicKey, state }) => publicKey === fresh.identity?.publicKey && state === 'up') &&
          affiliates.every(({ nodeId }) => nodeId !== identity?.nodeId) &&
          peers.length === 2,
        PATIENCE_MS,
      )
      await afterPeriod(mesh, host)
      await assertReaches(host, [await ulaOf(mesh, c), c.v4 ?? '', c.v6 ?? ''])
    }
    await assertReaches(c, [a.v4 ?? '', b.v6 ?? ''])
  })

  await t.test('a node that is dead for good drops out by its TTL', async () => {
    await mesh.daemon(c).stop('SIGKILL')
    await linkDown(c)
    for (const host of [a, b])
      await mesh.until(
        host,
        (view) => peerOf(view, c) === undefined && view.affiliates.every(({ nodename }) => nodename !== 'c'),
        PATIENCE_MS,
      )
    const later = await afterPeriod(mesh, a)
    assert.deepEqual(
      later.peers.map(({ label, state }) => [label, state]),
      [['b', 'up']],
    )
    const { stdout } = await a.exec('wg', ['show', 'kubespan', 'peers'])
    assert.equal(stdout.trim().split('\n').length, 1)
    await assertReaches(a, [await ulaOf(mesh, b)])
    await assertNothingInClear(lab)
  })
})
