import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadAffiliates } from '../../kubespan/sources/affiliate-cache.ts'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  eventually,
  FAST,
  footprint,
  PATIENCE_MS,
  skip,
  ulaOf,
} from './story.ts'

/** What a reboot leaves of a host: the state directory. */
const FORGET_ALL = `
  ip link del kubespan
  nft flush ruleset
for family in 4 6; do
    ip -$family rule del priority 32500
    ip -$family route del unreachable default table 180
  done
  rm -rf /run/kubespan /run/wireguard/*`

/** The state directory on a disk of this size that is full up to the last block. */
const fullDisk = (host: LabHost): string => `
  cp -r "${host.stateDirectory}" /run/kept
  mount -t tmpfs -o size=64k,mode=0700 tmpfs "${host.stateDirectory}"
  cp /run/kept/*.yaml "${host.stateDirectory}"
  dd if=/dev/zero of="${host.stateDirectory}/filler" bs=4k 2>/dev/null || true`

test('after a reboot without any discovery service the mesh comes up from the cache', { skip }, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2ecache' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  const bare = await footprint(a)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const cacheFile = (host: LabHost): string => join(host.stateDirectory, 'affiliates.cache')
  const key = ClusterKey.fromSecret(mesh.cluster.clusterSecret)
  assert.ok(key)
  for (const host of lab.hosts)
    await eventually(
      'both others are in the cache',
      () => loadAffiliates(cacheFile(host), key, Date.now()),
      (entries) => entries.filter(({ affiliate }) => affiliate.kubespan.endpoints.length > 0).length === 2,
    )

  await t.test('the cache is for its owner only, and nothing in it can be read', async () => {
    assert.equal(statSync(cacheFile(a)).mode & 0o777, 0o600)
    const { identity, affiliates } = await mesh.control(a).view()
    const sealed = readFileSync(cacheFile(a)).toString('latin1')
    const known = affiliates.flatMap(({ nodeId, addresses, kubespan }) => [
      nodeId,
      ...addresses,
      kubespan.publicKey,
    ])
    for (const text of [identity?.publicKey ?? '', mesh.cluster.clusterId, 'affiliates', ...known])
      assert.ok(!sealed.includes(text), text)
  })

  await t.test('all hosts reboot while the service is away', async () => {
    await mesh.stopDiscovery('SIGKILL')
    for (const host of lab.hosts) {
      await mesh.daemon(host).stop('SIGKILL')
      await host.sh(FORGET_ALL)
    }
    assert.equal((await footprint(a)).trim(), bare.trim())
    for (const host of lab.hosts) mesh.startDaemon(host)
    await mesh.full(PATIENCE_MS)
    for (const host of lab.hosts) {
      const view = await afterPeriod(mesh, host)
      assert.ok(view.peers.every(({ state }) => state === 'up'))
      for (const { isLocal, sources, unconfirmedUntil } of view.affiliates)
        if (!isLocal) assert.deepEqual([sources, unconfirmedUntil], [['cache'], null])
    }
    await assertReaches(a, [await ulaOf(mesh, b), b.v4 ?? '', c.v6 ?? ''])
    await assertNothingInClear(lab)
  })

  await t.test('a full disk costs one line in the log and nothing else', async () => {
    await mesh.daemon(c).stop()
    const identity = readFileSync(join(c.stateDirectory, 'kubespan-identity.yaml'), 'utf8')
    const daemon = mesh.startDaemon(c, [], { setup: fullDisk(c) })
    await mesh.startDiscovery()
    await mesh.until(c, (view) => isUp(view, 'a') && isUp(view, 'b'), PATIENCE_MS)
    const problems = (): readonly string[] => daemon.output.match(/.*cannot be written.*/g) ?? []
    await eventually(
      'it is said',
      async () => problems(),
      (lines) => lines.some((line) => line.includes('ENOSPC')),
    )
    // The next attempt to write is five seconds after the last one.
    const after = await afterPeriod(mesh, c, 6_000)
    assert.equal(after.lastReconcile?.error, undefined)
    assert.equal(new Set(problems().map((line) => JSON.parse(line).msg)).size, problems().length)
    assert.equal(readFileSync(join(c.stateDirectory, 'kubespan-identity.yaml'), 'utf8'), identity)
    await assertReaches(c, [await ulaOf(mesh, a)])
  })

  await t.test('when the service is back everything is confirmed', async () => {
    for (const host of lab.hosts)
      await mesh.until(
        host,
        ({ affiliates, peers }) =>
          affiliates.length === 3 &&
          peers.length === 2 &&
          affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined),
        PATIENCE_MS,
      )
    await assertNothingInClear(lab)
  })
})
