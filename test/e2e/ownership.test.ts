import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { encodeNodeId } from '../../shared/identity/node-id.ts'
import type { Prefix } from '../../shared/net/address.ts'
import type { LabHost } from '../lab/box.ts'
import { cut } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

/** How long who pings an address may be without an answer after that address has another machine behind it. */
const REACHED_WITHIN_MS = 30_000

const holderIn = ({ peers }: DaemonView, address: string): string | undefined =>
  peers.find(({ allowedIps }) => allowedIps.some((prefix) => prefix.startsWith(`${address}/`)))?.nodeId

const nodeIdOf = async (mesh: Mesh, host: LabHost): Promise<string> =>
  (await mesh.until(host, ({ identity }) => identity !== undefined, PATIENCE_MS)).identity?.nodeId ?? ''

/** Whose id is lower first: an id that is made anew is made until it is so. */
function newNodeId(isWanted: (id: string) => boolean): string {
  for (;;) {
    const id = encodeNodeId(randomBytes(32))
    if (isWanted(id)) return id
  }
}

function install(host: LabHost, nodeId: string): void {
  rmSync(host.stateDirectory, { recursive: true, force: true })
  mkdirSync(host.stateDirectory, { mode: 0o700 })
  writeFileSync(join(host.stateDirectory, 'node-identity.yaml'), `nodeId: ${nodeId}\n`, { mode: 0o600 })
}

test('an address that moves to another member is reached there, whatever the order of their ids', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name, { families: [4] }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2evip' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const ids = new Map([a, b].map((host) => [host, '']))
  for (const host of [a, b]) ids.set(host, await nodeIdOf(mesh, host))
  const [lower, higher] = [a, b].toSorted((one, two) =>
    (ids.get(one) ?? '') < (ids.get(two) ?? '') ? -1 : 1,
  )
  assert.ok(lower && higher)

  for (const [index, [from, to]] of [
    [lower, higher],
    [higher, lower],
  ].entries()) {
    assert.ok(from && to)
    await t.test(`from the ${index === 0 ? 'lower' : 'higher'} id, which is cut off`, async () => {
      const vip = `10.99.0.${index + 1}`
      const change = (host: LabHost, what: 'add' | 'del') =>
        host.exec('ip', ['address', what, `${vip}/32`, 'dev', host.uplink.device])
      await change(from, 'add')
      await mesh.until(c, (view) => holderIn(view, vip) === ids.get(from), PATIENCE_MS)
      await using pinger = await steadyPing(c, vip)
      await using _cut = await cut(lab, from)
      await change(to, 'add')
      await mesh.until(c, (view) => holderIn(view, vip) === ids.get(to), PATIENCE_MS)
      await pinger.nextAnswer(PATIENCE_MS)
      const { longestSilenceMilliseconds } = await pinger.stop()
      t.diagnostic(`${vip} silent for ${Math.round(longestSilenceMilliseconds)} ms`)
      assert.ok(
        longestSilenceMilliseconds <= REACHED_WITHIN_MS,
        `silent for ${longestSilenceMilliseconds} ms`,
      )
      await change(from, 'del')
    })
    await mesh.full(PATIENCE_MS)
  }

  await t.test('both are there and claim it: it stays with one, and the other is told of', async () => {
    const vip = '10.99.0.9'
    await lower.exec('ip', ['address', 'add', `${vip}/32`, 'dev', lower.uplink.device])
    await mesh.until(c, (view) => holderIn(view, vip) === ids.get(lower), PATIENCE_MS)
    await using pinger = await steadyPing(c, vip)
    await higher.exec('ip', ['address', 'add', `${vip}/32`, 'dev', higher.uplink.device])
    const claim =
      `affiliate ${ids.get(higher)} also claims what belongs to ${ids.get(lower)}: ${vip}/32` as Prefix
    await mesh.until(c, ({ warnings }) => warnings.includes(claim), PATIENCE_MS)
    for (let answers = 0; answers < 20; answers += 1) await pinger.nextAnswer(PATIENCE_MS)
    const run = await pinger.stop()
    assert.ok(run.sent - run.received <= 1, `${run.sent - run.received} lost`)
    assert.equal(holderIn(await mesh.control(c).view(), vip), ids.get(lower))
  })
  await assertNothingInClear(lab)
})

test('a machine that is installed anew is reached although its old record is still there', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2eanew' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)

  for (const order of ['higher', 'lower'] as const)
    await t.test(`its new id is ${order} than the old one`, async () => {
      const before = await nodeIdOf(mesh, a)
      await using pinger = await steadyPing(c, a.v4 ?? '')
      await mesh.daemon(a).stop('SIGKILL')
      await a.sh('ip link del kubespan; nft flush ruleset; ip rule del pref 32500; ip -6 rule del pref 32500')
      const after = newNodeId((id) => (order === 'higher' ? id > before : id < before))
      install(a, after)
      const startedAt = performance.now()
      mesh.startDaemon(a)
      const view = await mesh.until(c, (seen) => holderIn(seen, a.v4 ?? '') === after, PATIENCE_MS)
      assert.ok(
        view.affiliates.some(({ nodeId }) => nodeId === before),
        'its old record is still there',
      )
      await pinger.nextAnswer(PATIENCE_MS)
      const took = performance.now() - startedAt
      t.diagnostic(`${order}: reached ${Math.round(took)} ms after its start`)
      assert.ok(took <= REACHED_WITHIN_MS, `reached after ${took} ms`)
      await assertReaches(c, [a.v6 ?? '', await ulaOf(mesh, a)])
      await assertReaches(a, [c.v4 ?? '', b.v4 ?? ''])
    })

  const oldRecords = ({ affiliates }: DaemonView, current: string): readonly string[] =>
    affiliates.flatMap(({ nodeId, nodename }) => (nodename === 'a' && nodeId !== current ? [nodeId] : []))

  await t.test('by its name each record is shown, and all but the live one are dropped here', async () => {
    const current = await nodeIdOf(mesh, a)
    const old = oldRecords(await mesh.control(c).view(), current)
    assert.equal(old.length, 2)
    const { stdout: explained } = await mesh.kubespan(c, ['explain', 'a'])
    assert.match(explained, /^3 records carry the name a/)
    for (const id of [current, ...old]) assert.ok(explained.includes(id), id)

    const { stdout: said } = await mesh.kubespan(c, ['forget', 'a'])
    for (const id of old) assert.match(said, new RegExp(`forgot affiliate ${id} .*service/lab still lists`))
    assert.match(said, new RegExp(`affiliate ${current} \\(a\\) stays`))
    await mesh.until(c, (view) => oldRecords(view, current).length === 0, PATIENCE_MS)
    assert.equal(oldRecords(await afterPeriod(mesh, c), current).length, 0, 'the service lists them still')
    assert.equal(oldRecords(await mesh.control(b).view(), current).length, 2)
    await assertReaches(c, [a.v4 ?? ''])
    const refused = await mesh.kubespan(c, ['forget', 'a'], { check: false })
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /stays: .* live/)
  })

  await t.test('what the operator of the service drops has no grace: its peer is down', async () => {
    const current = await nodeIdOf(mesh, a)
    const [old = ''] = oldRecords(await mesh.control(b).view(), current)
    await mesh.forgetRecord(old)
    const startedAt = performance.now()
    await mesh.until(b, ({ affiliates }) => affiliates.every(({ nodeId }) => nodeId !== old), PATIENCE_MS)
    assert.ok(performance.now() - startedAt < 10_000)
  })

  await t.test('a member that meets both records for the first time reaches it as soon', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    await b.sh('ip link del kubespan; nft flush ruleset; ip rule del pref 32500; ip -6 rule del pref 32500')
    install(
      b,
      newNodeId(() => true),
    )
    const startedAt = performance.now()
    mesh.startDaemon(b)
    const id = await nodeIdOf(mesh, a)
    await mesh.until(b, (view) => isUp(view, 'a') && holderIn(view, a.v4 ?? '') === id, PATIENCE_MS)
    await using _pinger = await steadyPing(b, a.v4 ?? '')
    const took = performance.now() - startedAt
    t.diagnostic(`reached ${Math.round(took)} ms after the start of the newcomer`)
    assert.ok(took <= REACHED_WITHIN_MS, `reached after ${took} ms`)
  })
})
