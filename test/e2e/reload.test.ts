import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { Pinger } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  ELSEWHERE,
  eventually,
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

test('a changed configuration changes the mesh without a restart', { skip }, async (t) => {
  await using lab = await Lab.create(topology({ hosts: [publicHost('a'), publicHost('b')] }), {
    prefix: 'e2ereload',
  })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const bare = await footprint(a)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const { pid, identity } = await mesh.control(a).view()

  await t.test('disabled: nothing of it stays on the host, and others drop the peer', async () => {
    mesh.writeConfig(a, { KubeSpanConfig: { enabled: false } })
    await mesh.until(a, ({ enabled, peers }) => !enabled && peers.length === 0, PATIENCE_MS)
    await mesh.until(b, (view) => peerOf(view, a) === undefined, PATIENCE_MS)
    assert.equal(peerOf(await afterPeriod(mesh, b), a), undefined)
    assert.equal(await footprint(a), bare)
  })

  await t.test('enabled again: the same node is back', async () => {
    mesh.writeConfig(a)
    await mesh.until(a, (view) => view.enabled && isUp(view, 'b'), PATIENCE_MS)
    await mesh.until(b, (view) => isUp(view, 'a'), PATIENCE_MS)
    const view = await afterPeriod(mesh, a)
    assert.equal(view.pid, pid, 'no other process')
    assert.deepEqual(view.identity, identity)
    await assertReaches(a, [await ulaOf(mesh, b), b.v4 ?? '', b.v6 ?? ''])
    await assertNothingInClear(lab)
  })

  await t.test('a bad file keeps the old state, and says why', async () => {
    const pinger = await steadyPing(a, await ulaOf(mesh, b))
    writeFileSync(mesh.configFile(a), 'apiVersion: v1alpha1\nkind: KubeSpanConfig\nenabled: true\nmtu: 12\n')
    // It may be read while it is still empty.
    const isRefused = ({ config }: DaemonView) => /kubespan\.yaml.*mtu.*1280/s.test(config.problem ?? '')
    await mesh.until(a, isRefused, PATIENCE_MS)
    const refused = await afterPeriod(mesh, a)
    assert.ok(isUp(refused, 'b'))
    mesh.daemon(a).kill('SIGHUP')
    await mesh.until(a, ({ config }) => config.refusals > refused.config.refusals, PATIENCE_MS)
    mesh.writeConfig(a)
    await mesh.until(a, ({ config }) => config.problem === undefined, PATIENCE_MS)
    await assertNoneLost(pinger)
  })

  await t.test('another MTU is on the link within a pass', async () => {
    mesh.writeConfig(a, { KubeSpanConfig: { mtu: 1380 } })
    await mesh.until(a, ({ settings }) => settings.mtuBytes === 1380, PATIENCE_MS)
    await afterPeriod(mesh, a)
    assert.match((await a.exec('ip', ['link', 'show', 'kubespan'])).stdout, /mtu 1380/)
    assert.ok(isUp(await mesh.control(a).view(), 'b'))
  })

  await t.test(
    'another placement: nothing leaves in clear meanwhile, and nothing of the old one stays',
    async () => {
      await using pinger = new Pinger(a, b.v4 ?? '', 0.02)
      await pinger.nextAnswer(PATIENCE_MS)
      mesh.writeConfig(a, { NodeConfig: { placement: ELSEWHERE } })
      await eventually(
        'the new names and none of the old',
        () => namesOn(a),
        (names) => /mesh0/.test(names) && !OF_THE_DEFAULT.test(names),
      )
      await pinger.nextAnswer(PATIENCE_MS)
      await assertNothingInClear(lab)
      assert.equal((await mesh.control(a).view()).pid, pid)
    },
  )
})
