import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NftTableKeeper, observeNftTable } from '../../../../kubespan/apply/nftables.ts'
import type { Bypass } from '../../../../kubespan/model/desired.ts'
import { desiredOf, peersOf } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'
import { bringInLine } from '../../../support/host-cases.ts'

/** 198.18.0.1, which is peer 1, and 203.0.113.9 call ports 3000 and 4000. */
const SOCKETS = [
  ...['00000000:0BB8 00000000:0000 0A', '00000000:0FA0 00000000:0000 0A'],
  ...['010200C0:0BB8 010012C6:9C40 01', '010200C0:0BB8 097100CB:9C40 01', '010200C0:0FA0 097100CB:9C41 01'],
]
  .map((row) => `   0: ${row} 00000000:00000000\n`)
  .join('')
const bypass = (localPorts: readonly number[]): Bypass => ({
  destinations: [],
  localPorts,
  conntrackMark: 128,
})
const older = (host: FakeHost): readonly string[] =>
  host.nft.tables.get('inet openspan')?.sets.get('older_v4')?.elements ?? []

test('who called before the port was guarded is answered outside, and nobody who calls later', async () => {
  const host = new FakeHost()
  host.tcpListing = SOCKETS
  await bringInLine(host, desiredOf(peersOf(1), { bypass: bypass([3000]) }))
  assert.deepEqual(older(host), ['198.18.0.1 . 40000 . 3000', '203.0.113.9 . 40000 . 3000'])

  host.tcpListing += SOCKETS.replaceAll(':9C40', ':9C50')
  await bringInLine(host, desiredOf(peersOf(2), { bypass: bypass([3000]) }))
  assert.equal(older(host).length, 2)
})

test('who was heard through the tunnel before is not answered outside', async () => {
  const host = new FakeHost()
  host.tcpListing = SOCKETS
  await bringInLine(host, desiredOf(peersOf(1)))
  assert.deepEqual(older(host), [])
  const peer = host.wireguard.devices.get('kubespan')?.peers.values().next().value
  assert.ok(peer)
  peer.receiveBytes = 148
  await bringInLine(host, desiredOf(peersOf(1), { bypass: bypass([3000]) }))
  assert.deepEqual(older(host), ['203.0.113.9 . 40000 . 3000'])
})

test('a table that is gone is written as it was, without a look, and the next pass has only the ports to do', async () => {
  const host = new FakeHost()
  host.tcpListing = SOCKETS
  const keeper = new NftTableKeeper()
  const desired = desiredOf(peersOf(2), { bypass: bypass([3000]) })
  const pass = async () =>
    await keeper.apply(host, desired, await observeNftTable(host, 'openspan'), undefined)
  await keeper.restore(host)
  assert.deepEqual(host.writes, [], 'nothing is restored before there was something')
  await pass()
  const whole = structuredClone(host.nft.tables)

  await assert.rejects(keeper.restore(host), /File exists/, 'a table that is there is left alone')
  assert.deepEqual(host.nft.tables, whole)
  host.nft.tables.clear()
  await keeper.restore(host)
  assert.deepEqual(
    (await pass()).map(({ what }) => what),
    ['set bypass_ports'],
  )
  assert.deepEqual(host.nft.tables, whole, 'with the connections that are older than the table')
  keeper.forget()
  host.nft.tables.clear()
  await keeper.restore(host)
  assert.equal(host.nft.tables.size, 0)
})
