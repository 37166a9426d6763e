import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanUp, removeGuards, removeLink } from '../../../../kubespan/apply/cleanup.ts'
import type { Placement } from '../../../../kubespan/model/desired.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { desiredOf, peersOf, placementOf } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'
import { bringInLine } from '../../../support/host-cases.ts'
import { settle } from '../../../support/manual-clock.ts'

/** A pod, a node and another pod of peer 1. */
const goals = ['10.100.1.7', '198.18.0.1', '2001:db8:1::7'] as Address[]

test('marks go before the routes that marked packets need, and the link last', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf(peersOf(2)))
  host.writes.length = 0
  const { changes } = await cleanUp(host, placementOf())
  const objects = host.writes.map((call) => /table|rule|route|link/.exec(call)?.[0])
  assert.deepEqual(objects, ['table', 'rule', 'rule', 'route', 'route', 'route', 'route', 'link'])
  assert.equal(changes.length, 8)
  assert.ok(changes.every(({ action }) => action === 'remove'))
})

test('only what is there is taken back, whatever is missing', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf(peersOf(2)))
  await host.run('ip', ['link', 'del', 'dev', 'kubespan'])
  await host.run('ip', ['-4', 'rule', 'delete', 'priority', '32500', 'fwmark', '0x40/0x60', 'table', '180'])
  assert.equal((await cleanUp(host, placementOf())).changes.length, 4)
  assert.deepEqual([...host.network.links.keys()], ['lo', 'eth0'])
})

test('things of another placement stay', async () => {
  const host = new FakeHost()
  const other = placementOf({
    linkName: 'mesh1',
    nftTable: 'mesh1',
    routingTable: 181,
    routeFwmark: 0x400,
    fwmarkMask: 0x600,
  })
  await bringInLine(host, desiredOf([], { placement: other }))
  assert.deepEqual(await cleanUp(host, placementOf()), { changes: [], warnings: [] })
  assert.equal((await bringInLine(host, desiredOf([], { placement: other }))).count, 0)
})

const moves: readonly Partial<Placement>[] = [
  { linkName: 'mesh0' },
  { listenPort: 51821 },
  { nftTable: 'mesh' },
  { routingTable: 181 },
  { rulePriority: 32400 },
  { wireguardFwmark: 0x200, routeFwmark: 0x400, fwmarkMask: 0x600 },
  { linkName: 'mesh0', nftTable: 'mesh', routingTable: 181, rulePriority: 32400 },
]

for (const move of moves)
  test(`to another ${Object.keys(move).join(', ')}: nothing leaves in clear, and nothing of the old stays`, async () => {
    const host = new FakeHost()
    const [before, after] = [placementOf(), placementOf(move)]
    const peers = peersOf(2)
    await bringInLine(host, desiredOf(peers, { placement: before }))
    const fates: string[] = []
    host.onWrite = () => fates.push(...goals.map((address) => host.fate(address)))
    if (after.linkName !== before.linkName) await removeLink(host, before.linkName)
    await bringInLine(host, desiredOf(peers, { placement: after }))
    await removeGuards(host, before, after)
    assert.ok(!fates.includes('clear'), fates.join())
    assert.deepEqual(
      goals.map((address) => host.fate(address)),
      ['tunnel', 'tunnel', 'tunnel'],
    )
    assert.equal((await bringInLine(host, desiredOf(peers, { placement: after }))).count, 0)
    await cleanUp(host, after)
    assert.deepEqual(await cleanUp(host, before), { changes: [], warnings: [] })
    assert.deepEqual([...host.network.links.keys()], ['lo', 'eth0'])
    assert.equal(host.nft.tables.size, 0)
  })

test('a wireguard-go that takes its time is waited for, but not for ever', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf([]))
  host.network.onLinkGone = () => void host.clock.after(500, () => host.sockets.delete('kubespan'))
  const slow = cleanUp(host, placementOf())
  await settle()
  await host.clock.advance(1_000)
  await slow
  assert.equal(host.sockets.size, 0)

  const stuck = new FakeHost()
  await bringInLine(stuck, desiredOf([]))
  stuck.network.onLinkGone = () => undefined
  const waiting = cleanUp(stuck, placementOf())
  await settle()
  await stuck.clock.advance(3_000)
  assert.equal((await waiting).changes.at(-1)?.what, 'link kubespan')
  assert.equal(stuck.clock.armed, 0)
})
