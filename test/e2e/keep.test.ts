import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  peerOf,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

test('a live tunnel is not cut because a record is gone', { skip }, async (t) => {
  const names = ['a', 'b', 'c', 'strict']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2ekeep',
  })
  const [a, b, c, strict] = names.map((name) => lab.host(name))
  assert.ok(a && b && c && strict)
  await using mesh = new Mesh(lab, {
    timing: FAST,
    documents: (host) => ({
      KubeSpanConfig: { harvestExtraEndpoints: true },
      ...(host === strict && {
        NodeConfig: { timing: { ...FAST, graceAfterLoss: '0s', graceAfterDeletion: '0s' } },
      }),
    }),
  })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const nodeId = async (host: LabHost): Promise<string> =>
    (await mesh.control(host).view()).identity?.nodeId ?? ''
  const idB = await nodeId(b)
  const idC = await nodeId(c)
  const ulaB = await ulaOf(mesh, b)
  /** The others send something to each other, so that it is known that their tunnels live. */
  const toB = await steadyPing(a, ulaB)
  const strictToB = await steadyPing(strict, ulaB)

  await t.test(
    'a node whose record is deleted publishes it again at once, and nobody loses a packet',
    async () => {
      const before = await mesh.control(a).view()
      await mesh.forgetRecord(idB)
      const view = await mesh.until(
        a,
        ({ affiliates, peers }) =>
          peers.length === 3 && affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined),
        PATIENCE_MS,
      )
      assert.equal(view.counters.peersLost, before.counters.peersLost)
      assert.ok(isUp(view, 'b'))
    },
  )

  await t.test('deleted while nobody can publish it: kept as unconfirmed, and traffic goes on', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    await mesh.forgetRecord(idB)
    const view = await mesh.until(
      a,
      ({ affiliates }) => affiliates.find((one) => one.nodeId === idB)?.unconfirmedUntil !== undefined,
      PATIENCE_MS,
    )
    assert.equal(
      view.affiliates.find((one) => one.nodeId === idB)?.unconfirmedUntil,
      null,
      'for as long as it answers',
    )
    await assertNoneLost(toB)
    const later = await afterPeriod(mesh, a)
    assert.ok(isUp(later, 'b'))
    assert.ok(
      later.harvestedEndpoints.every((one) => one.nodeId !== idB),
      'nothing of it is published',
    )
    const fresh = await afterPeriod(mesh, c)
    assert.ok(fresh.affiliates.some((one) => one.nodeId === idB && one.unconfirmedUntil !== undefined))
  })

  await t.test('with a grace time of 0 it is as the protocol has it', async () => {
    await mesh.until(strict, (view) => peerOf(view, b) === undefined, PATIENCE_MS)
    assert.ok((await strictToB.stop()).received > 0)
    const { stdout } = await strict.exec('wg', ['show', 'kubespan', 'allowed-ips'])
    assert.ok(!stdout.includes(ulaB))
  })

  await t.test('missing from the snapshot of a service that lost everything: kept for longer', async () => {
    await mesh.stopDiscovery('SIGKILL')
    await mesh.startDiscovery()
    await mesh.until(
      a,
      ({ services }) => services[0]?.connected === true && services[0].affiliates === 2,
      PATIENCE_MS,
    )
    await assertReaches(a, [ulaB])
    assert.ok(isUp(await afterPeriod(mesh, a), 'b'))
  })

  await t.test('kubespan forget removes it at once', async () => {
    assert.match(
      (await mesh.kubespan(a, ['forget', 'c'], { check: false })).stderr,
      /no unconfirmed affiliate/,
    )
    await mesh.kubespan(a, ['forget', 'b'])
    await mesh.until(a, (view) => peerOf(view, b) === undefined, PATIENCE_MS)
    assert.equal(peerOf(await afterPeriod(mesh, a), b), undefined)
    assert.ok(isUp(await mesh.control(c).view(), 'b'), 'others keep it')
  })

  await t.test('the same node with a new key replaces the old one at once', async () => {
    const file = join(b.stateDirectory, 'kubespan-identity.yaml')
    const oldKey = /^publicKey: (\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1]
    rmSync(file)
    mesh.startDaemon(b)
    for (const host of [a, c, strict]) {
      const view = await mesh.until(host, (seen) => isUp(seen, 'b'), PATIENCE_MS)
      assert.equal(view.peers.filter(({ nodeId }) => nodeId === idB).length, 1)
      assert.notEqual(peerOf(view, b)?.publicKey, oldKey)
      assert.equal(view.peers.length, 3)
    }
    assert.equal(await nodeId(b), idB)
    await assertReaches(a, [ulaB, b.v4 ?? ''])
  })

  await t.test('another node that has its addresses ends it', async () => {
    const pinger = await steadyPing(a, await ulaOf(mesh, c))
    await mesh.daemon(c).stop('SIGKILL')
    await mesh.forgetRecord(idC)
    await mesh.until(
      a,
      ({ affiliates }) => affiliates.find((one) => one.nodeId === idC)?.unconfirmedUntil !== undefined,
      PATIENCE_MS,
    )
    await pinger.stop()
    for (const name of ['node-identity.yaml', 'kubespan-identity.yaml', 'affiliates.cache'])
      rmSync(join(c.stateDirectory, name))
    mesh.startDaemon(c)
    await mesh.until(
      a,
      (seen) => isUp(seen, 'c') && seen.affiliates.every(({ nodeId }) => nodeId !== idC),
      PATIENCE_MS / 3,
    )
    await assertReaches(a, [c.v4 ?? ''])
    await assertNothingInClear(lab)
  })

  await t.test('started again without memory or a service, it leaves the tunnels as they are', async () => {
    await mesh.stopDiscovery('SIGKILL')
    await mesh.daemon(c).stop('SIGKILL')
    rmSync(join(c.stateDirectory, 'affiliates.cache'))
    mesh.startDaemon(c)
    const view = await mesh.until(c, ({ lastReconcile }) => lastReconcile !== undefined, PATIENCE_MS)
    assert.deepEqual([view.peers, view.lastReconcile?.error], [[], undefined])
    await assertReaches(c, [a.v4 ?? ''])
    await assertNothingInClear(lab)
  })

  await t.test('and with another key it lets nothing out in clear', async () => {
    await mesh.daemon(c).stop('SIGKILL')
    rmSync(join(c.stateDirectory, 'kubespan-identity.yaml'))
    mesh.startDaemon(c)
    await mesh.until(c, ({ lastReconcile }) => lastReconcile !== undefined, PATIENCE_MS)
    const [echo] = await pingAll(c, [a.v4 ?? ''])
    assert.equal(echo?.roundTripMilliseconds, undefined, 'there is no way through the tunnel')
    await assertNothingInClear(lab)
  })
})
