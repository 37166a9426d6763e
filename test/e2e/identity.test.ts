import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
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
  steadyPing,
  ulaOf,
} from './story.ts'

/** How soon every member says that two machines are one to the mesh. */
const TOLD_WITHIN_MS = 60_000
/** What virtual machines have that nobody gave another one. */
const MAC = '52:54:00:12:34:56'

/** A network card of hardware: what a lab has instead is shown to the daemon without saying what it is. */
async function withNetworkCard(host: LabHost): Promise<string> {
  await host.exec('ip', ['link', 'set', 'dev', host.uplink.device, 'address', MAC])
  const wrapper = join(host.directory, 'ip')
  const real = join(host.directory, 'ip.real')
  const script = `#!/bin/sh
case "$*" in
*details*address*) exec_() { ${real} "$@"; }; exec_ "$@" | sed 's/"info_kind": *"veth"/"info_slave": "none"/g' ;;
*) exec ${real} "$@" ;;
esac
`
  writeFileSync(wrapper, script, { mode: 0o755 })
  return `ip=$(command -v ip); cp "$(readlink -f "$ip")" ${real}; mount --bind ${wrapper} "$(readlink -f "$ip")"`
}

const told = async (mesh: Mesh, host: LabHost, words: RegExp): Promise<void> => {
  await mesh.until(host, ({ warnings }) => warnings.some((line) => words.test(line)), TOLD_WITHIN_MS)
  assert.match(mesh.daemon(host).output, words)
  assert.match((await mesh.kubespan(host, ['status'])).stdout, words)
  assert.match((await mesh.kubespan(host, ['doctor'], { check: false })).stdout, words)
}

test('of two with one hardware address one takes another mesh address, and all are told', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2emac' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: FAST })
  const setups = new Map<LabHost, string>()
  for (const host of [a, b]) setups.set(host, await withNetworkCard(host))
  const start = (host: LabHost) => mesh.startDaemon(host, [], { setup: setups.get(host) ?? '' })
  await mesh.startDiscovery()
  for (const host of [a, c]) start(host)
  await mesh.full(PATIENCE_MS)
  const shared = await ulaOf(mesh, a)
  assert.match(shared, /:5054:ff:fe12:3456$/)
  const pinger = await steadyPing(c, shared)

  await t.test('the newcomer does, the other keeps its own, and everybody reaches both', async () => {
    start(b)
    await mesh.until(
      b,
      ({ identity }) => identity !== undefined && identity.address !== shared,
      TOLD_WITHIN_MS,
    )
    const other = await ulaOf(mesh, b)
    assert.equal(await ulaOf(mesh, a), shared)
    for (const host of [a, c])
      await mesh.until(host, (view) => peerOf(view, b)?.address === other, PATIENCE_MS)
    await assertReaches(a, [other, b.v4 ?? ''])
    await assertReaches(b, [shared, a.v4 ?? ''])
    await assertReaches(c, [shared, other, a.v4 ?? '', b.v4 ?? ''])
    for (const host of [a, b, c]) await told(mesh, host, /same mesh address/)
    const run = await pinger.stop()
    assert.ok(run.sent - run.received <= 5, `${run.sent - run.received} of ${run.sent} lost`)
  })

  await t.test('it stays so when both start again', async () => {
    const other = await ulaOf(mesh, b)
    for (const host of [a, b]) await mesh.daemon(host).stop()
    for (const host of [b, a]) start(host)
    await mesh.full(PATIENCE_MS)
    assert.deepEqual([await ulaOf(mesh, a), await ulaOf(mesh, b)], [shared, other])
  })

  await t.test('a machine that is installed anew keeps the address of its network card', async () => {
    await mesh.daemon(b).stop()
    await mesh.daemon(a).stop('SIGKILL')
    await a.sh('ip link del kubespan; nft flush ruleset; ip rule del pref 32500; ip -6 rule del pref 32500')
    for (const name of ['node-identity.yaml', 'kubespan-identity.yaml', 'affiliates.cache'])
      rmSync(join(a.stateDirectory, name))
    const startedAt = performance.now()
    start(a)
    const again = await steadyPing(c, shared)
    const took = performance.now() - startedAt
    t.diagnostic(`reached by its mesh address ${Math.round(took)} ms after its start`)
    assert.ok(took <= 30_000, `reached after ${took} ms`)
    await mesh.until(c, (view) => isUp(view, 'a'), PATIENCE_MS)
    await afterPeriod(mesh, a, 5_000)
    assert.equal(await ulaOf(mesh, a), shared)
    const { warnings } = await mesh.control(a).view()
    assert.deepEqual(
      warnings.filter((line) => /same mesh address/.test(line)),
      [],
    )
    await again.stop()
    await assertNothingInClear(lab)
  })
})
