import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podAttachment } from '../lab/attachment.ts'
import { blackHoleAbove } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { transferTcp } from '../lab/transfer.ts'
import { wireguardCount } from '../lab/wan-watch.ts'
import { afterPeriod, assertNothingInClear, eventually, FAST, PATIENCE_MS, skip } from './story.ts'

const LARGE = 100_000_000
const TIME_MAX_MS = 60_000

test('pods whose links take 1500 bytes move a lot through the tunnel', { skip }, async (t) => {
  const hosts = ['a', 'b'].map((name) => publicHost(name, { pod: true }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2etransfer' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const [from, to] = [a.pod, b.pod]
  assert.ok(from && to)
  const { v4, v6 } = podAttachment(b.name, b.index)
  const [address4, address6] = [v4?.address ?? '', v6?.address ?? '']
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const areReached = () =>
    eventually(
      'pods reach each other',
      () => pingAll(from, [address4, address6]),
      (echoes) => echoes.every(({ roundTripMilliseconds }) => roundTripMilliseconds !== undefined),
    )
  await areReached()

  await t.test('100 MB of IPv4 and 20 MB of IPv6', async () => {
    assert.match((await from.exec('ip', ['link', 'show', 'eth0'])).stdout, /mtu 1500/)
    const before = wireguardCount(await lab.counts()).bytes
    const sum = await transferTcp(from, to, address4, LARGE, TIME_MAX_MS)
    assert.equal(sum.receivedBytes, LARGE)
    assert.equal((await transferTcp(from, to, address6, LARGE / 5, TIME_MAX_MS)).receivedBytes, LARGE / 5)
    assert.ok(wireguardCount(await lab.counts()).bytes - before > LARGE)
    await assertNothingInClear(lab)
  })

  await t.test('a path that swallows what is larger than 1400 bytes needs an MTU of 1320', async () => {
    await using _hole = await blackHoleAbove(lab, b, 1400)
    for (const host of lab.hosts)
      mesh.writeConfig(host, { KubeSpanConfig: { mtu: 1320, advertiseKubernetesNetworks: true } })
    for (const host of lab.hosts) {
      await mesh.until(host, ({ settings }) => settings.mtuBytes === 1320, PATIENCE_MS)
      await afterPeriod(mesh, host)
    }
    await areReached()
    for (const address of [address4, address6])
      assert.equal((await transferTcp(from, to, address, LARGE / 5, TIME_MAX_MS)).receivedBytes, LARGE / 5)
    await assertNothingInClear(lab)
  })
})
