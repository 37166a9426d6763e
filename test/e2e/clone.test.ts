import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  eventually,
  FAST,
  PATIENCE_MS,
  skip,
} from './story.ts'

/** How soon every member says that two machines are one to the mesh. */
const TOLD_WITHIN_MS = 60_000
const TOLD = /another machine uses the node id of this one|two machines use the node id/

test('a machine that is a copy of another is told of by all, and mended by one command', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eclone' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of [a, b]) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const identityOf = async (host: LabHost) => (await mesh.control(host).view()).identity
  const original = await identityOf(a)

  await t.test('nobody says so of a daemon that starts again', async () => {
    await mesh.daemon(a).stop('SIGKILL')
    mesh.startDaemon(a)
    await mesh.full(PATIENCE_MS)
    for (const host of [a, b]) assert.deepEqual((await afterPeriod(mesh, host)).identityConflicts, [])
  })

  await t.test('all three say so within a minute', async () => {
    cpSync(a.stateDirectory, c.stateDirectory, { recursive: true })
    const startedAt = performance.now()
    mesh.startDaemon(c)
    const isTold = ({ warnings }: DaemonView): boolean => warnings.some((line) => TOLD.test(line))
    await Promise.all(
      [a, b, c].map(async (host) => {
        await mesh.until(host, isTold, TOLD_WITHIN_MS)
        const took = performance.now() - startedAt
        t.diagnostic(`${host.name} says so after ${Math.round(took)} ms`)
        assert.ok(took <= TOLD_WITHIN_MS)
      }),
    )
    for (const host of [a, b, c]) {
      const { stdout } = await mesh.kubespan(host, ['doctor'], { check: false })
      assert.match(stdout, TOLD)
      assert.match(stdout, /-> .*kubespan reset-identity/)
      assert.equal(
        mesh
          .daemon(host)
          .output.split('\n')
          .filter((line) => TOLD.test(line)).length,
        1,
        'once',
      )
    }
  })

  await t.test(
    'meanwhile the third keeps the addresses of both in the tunnel, and changes nothing',
    async () => {
      const ipsOf = ({ peers }: DaemonView) =>
        peers.find(({ nodeId }) => nodeId === original?.nodeId)?.allowedIps
      const before = await mesh.control(b).view()
      for (const address of [a.v4, a.v6, c.v4, c.v6])
        assert.ok(
          ipsOf(before)?.some((prefix) => prefix.startsWith(`${address}/`)),
          `${address} is in the tunnel`,
        )
      const { counters } = before
      const later = await afterPeriod(mesh, b, 20_000)
      assert.deepEqual(ipsOf(later), ipsOf(before))
      t.diagnostic(
        `in 20 s the peer was lost ${later.counters.peersLost - counters.peersLost} times, and moved ${later.counters.endpointChanges - counters.endpointChanges} times`,
      )
      assert.ok(later.counters.peersLost - counters.peersLost <= 2)
    },
  )

  await t.test('the command makes another machine of the copy, and the original goes on', async () => {
    const { stdout } = await mesh.kubespan(c, ['reset-identity'])
    const [, backup = ''] = /are in (\S+);/.exec(stdout) ?? []
    assert.deepEqual(readdirSync(backup).sort(), [
      'kubespan-identity.yaml',
      'node-identity.yaml',
      'own-records.json',
    ])
    assert.match(stdout, /systemctl start kubespan/)
    mesh.startDaemon(c)
    await mesh.full(PATIENCE_MS)
    const [idA, idC] = [await identityOf(a), await identityOf(c)]
    assert.equal(idA?.nodeId, original?.nodeId)
    assert.equal(idA?.publicKey, original?.publicKey)
    assert.notEqual(idC?.nodeId, original?.nodeId)
    assert.notEqual(idC?.publicKey, original?.publicKey)
    // The last that had the key of both was the copy.
    await eventually(
      'the path to the original is found again',
      () => pingAll(b, [a.v4 ?? '']),
      ([echo]) => echo?.roundTripMilliseconds !== undefined,
      15_000,
    )
    await assertReaches(b, [a.v4 ?? '', idA?.address ?? '', idC?.address ?? ''])
    await assertReaches(c, [a.v4 ?? '', b.v4 ?? ''])
    assert.deepEqual(
      (await mesh.control(c).view()).identityConflicts?.filter(({ isOwn }) => isOwn),
      [],
    )
    await assertNothingInClear(lab)
  })

  await t.test('it works without a daemon as well, and says when there is nothing to do', async () => {
    await mesh.daemon(c).stop()
    const before = readdirSync(c.stateDirectory).length
    assert.match((await mesh.kubespan(c, ['reset-identity'])).stdout, /the old node id and keys are in/)
    assert.ok(!existsSync(join(c.stateDirectory, 'node-identity.yaml')))
    assert.ok(readdirSync(c.stateDirectory).length < before)
    mesh.startDaemon(c)
    await mesh.full(PATIENCE_MS)
  })
})
