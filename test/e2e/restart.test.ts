import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import type { NodeConfigOptions } from '../lab/node-config.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  ELSEWHERE,
  FAST,
  footprint,
  namesOn,
  OF_THE_DEFAULT,
  PATIENCE_MS,
  peerOf,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

test('a daemon ends and starts again, leaves, and takes everything back', { skip }, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2erestart' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  const bare = await footprint(b)
  const bareC = await footprint(c)
  const changed = new Map<LabHost, NodeConfigOptions['documents']>()
  await using mesh = new Mesh(lab, {
    timing: { ...FAST, graceAfterDeletion: '2s', liveWithin: '60s' },
    documents: (host) => changed.get(host),
  })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    await t.test(`${signal} and a new start lose no packet`, async () => {
      const pingers = [
        await steadyPing(a, await ulaOf(mesh, b)),
        await steadyPing(b, await ulaOf(mesh, a)),
        await steadyPing(a, b.v4 ?? ''),
      ]
      const listening = async (): Promise<string> =>
        (await b.exec('wg', ['show', 'kubespan', 'dump'])).stdout.split('\n')[0] ?? ''
      const before = await listening()
      const { pid } = await mesh.control(b).view()
      await mesh.daemon(b).stop(signal)
      mesh.startDaemon(b)
      await mesh.until(b, (view) => view.pid !== pid && isUp(view, 'a') && isUp(view, 'c'), PATIENCE_MS)
      await afterPeriod(mesh, b)
      for (const pinger of pingers) await assertNoneLost(pinger)
      assert.equal(await listening(), before, 'key, port and mark are the same')
    })

  await t.test('a second daemon on the same host says why it ends', async () => {
    const second = await mesh.kubespan(a, ['run'], { check: false })
    assert.equal(second.code, 1)
    assert.match(second.stderr, /another kubespan daemon answers/)
    await afterPeriod(mesh, a)
    await assertReaches(a, [await ulaOf(mesh, b)])
  })

  await t.test('leave: the affiliate is gone, and others drop the peer after the grace', async () => {
    await mesh.kubespan(b, ['leave'])
    // Its tunnel is live, so it is kept a while, as unconfirmed.
    await mesh.until(
      a,
      (view) =>
        view.affiliates.every(
          ({ nodename, unconfirmedUntil }) => nodename !== 'b' || unconfirmedUntil != null,
        ),
      PATIENCE_MS,
    )
    await mesh.until(a, (view) => peerOf(view, b) === undefined, PATIENCE_MS)
    await mesh.until(c, (view) => peerOf(view, b) === undefined, PATIENCE_MS)
    const later = await afterPeriod(mesh, a)
    assert.equal(peerOf(later, b), undefined)
    assert.ok(isUp(later, 'c'))
  })

  await t.test('down: nothing of ours stays on the host', async () => {
    await mesh.kubespan(b, ['down'])
    assert.deepEqual(await mesh.daemon(b).ended, { code: 0, signal: null })
    assert.equal(await footprint(b), bare)
  })

  await t.test('down without a daemon takes back what a killed one left', async () => {
    mesh.startDaemon(b)
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    await mesh.daemon(b).stop('SIGKILL')
    assert.notEqual(await footprint(b), bare)
    await mesh.kubespan(b, ['down'])
    assert.equal(await footprint(b), bare)
  })

  await t.test('names that changed while no daemon ran: the old things go, the new ones work', async () => {
    mesh.startDaemon(b)
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    await mesh.daemon(b).stop()
    changed.set(b, { NodeConfig: { placement: ELSEWHERE } })
    mesh.startDaemon(b)
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    await afterPeriod(mesh, b)
    await assertReaches(b, [await ulaOf(mesh, a)])
    const names = await namesOn(b)
    assert.doesNotMatch(names, OF_THE_DEFAULT)
    assert.match(names, /mesh0.*lookup 181.*table inet mesh/s)
  })

  await t.test('disabled while no daemon ran: nothing stays', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    changed.set(b, { KubeSpanConfig: { enabled: false } })
    mesh.startDaemon(b)
    await mesh.until(b, ({ enabled, lastReconcile }) => !enabled && lastReconcile !== undefined, PATIENCE_MS)
    assert.equal(await footprint(b), bare)
    await mesh.daemon(b).stop()
    changed.delete(b)
  })

  await t.test('down without a daemon takes back what was made under the names of before', async () => {
    changed.set(b, { NodeConfig: { placement: ELSEWHERE } })
    mesh.startDaemon(b)
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    await mesh.daemon(b).stop()
    changed.delete(b)
    mesh.writeConfig(b)
    await mesh.kubespan(b, ['down'])
    assert.equal(await footprint(b), bare)
  })

  await t.test('--down-on-exit', async () => {
    await mesh.daemon(c).stop()
    const daemon = mesh.startDaemon(c, ['--down-on-exit'])
    await mesh.until(c, (view) => isUp(view, 'a'), PATIENCE_MS)
    await daemon.stop('SIGTERM', PATIENCE_MS)
    assert.deepEqual(await daemon.ended, { code: 0, signal: null })
    assert.equal(await footprint(c), bareC)
    await mesh.until(a, (view) => view.peers.length === 0, PATIENCE_MS)
    await assertNothingInClear(lab)
  })
})
