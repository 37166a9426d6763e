import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyDesiredState } from '../../../../kubespan/apply/desired-state.ts'
import { RefusedPeers } from '../../../../kubespan/apply/refused-peers.ts'
import type { DesiredPeer } from '../../../../kubespan/model/desired.ts'
import { observeWireGuard } from '../../../../kubespan/sources/wireguard.ts'
import type { Prefix } from '../../../../shared/net/address.ts'
import { desiredOf, keyOf, peerOf, peersOf, SECRETS } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'

test('a refused peer is not tried again until it is another one, or much later', async () => {
  const host = new FakeHost()
  const refusals = new RefusedPeers(host.clock)
  const pass = async (peers: readonly DesiredPeer[]) => {
    const view = await observeWireGuard(host, 'kubespan', SECRETS.presharedKey)
    const before = host.writes.length
    const desired = desiredOf(peers, { routedV4: [], routedV6: [] })
    const { warnings } = await applyDesiredState(host, desired, SECRETS, { view, refusals })
    return { warnings, calls: host.writes.slice(before).filter((call) => call.includes('addconf')).length }
  }
  const good = peersOf(20)
  const poisoned = peerOf(30, { allowedIps: ['10.0.0.0/99' as Prefix] })
  const first = await pass([...good, poisoned])
  assert.equal(first.warnings.length, 1)
  assert.deepEqual(await pass([...good, poisoned]), { warnings: first.warnings, calls: 0 })

  const another = await pass([...good, poisoned, peerOf(31)])
  assert.deepEqual(another, { warnings: first.warnings, calls: 1 }, 'others are written as ever')

  const mended = await pass([...good, peerOf(31), peerOf(30)])
  assert.deepEqual(mended, { warnings: [], calls: 1 })
  assert.ok((await observeWireGuard(host, 'kubespan'))?.peers.has(keyOf(30)))

  const bad = peerOf(40, { allowedIps: ['10.0.0.0/98' as Prefix] })
  await pass([...good, bad])
  let tries = 0
  host.onRun = (_, args) => {
    if (args.includes('addconf')) tries += 1
  }
  await host.clock.advance(599_999)
  assert.equal((await pass([...good, bad])).warnings.length, 1)
  assert.equal(tries, 0)
  await host.clock.advance(1)
  assert.equal((await pass([...good, bad])).warnings.length, 1)
  assert.equal(tries, 1)
})
