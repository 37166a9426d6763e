import assert from 'node:assert/strict'
import { test } from 'node:test'
import { move, rebind } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertNothingInClear, FAST, PATIENCE_MS, skip, steadyPing, ulaOf } from './story.ts'

/**
 * The peer notices within about 15 s, the public host hears from the new port with the next keepalive, 25 s at most, and then the two learn
 * of it from the service.
 */
const REBIND_LIMIT_MS = 60_000

test('two hosts behind port-restricted NATs find each other again by what a public one harvests', {
  skip,
}, async (t) => {
  const homes = topology({
    hosts: [behind('home1', 'a'), behind('home2', 'b'), publicHost('c')],
    nats: [nat('home1', 'port-restricted'), nat('home2', 'port-restricted')],
  })
  await using lab = await Lab.create(homes, { prefix: 'e2erebind' })
  const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')]
  await using mesh = new Mesh(lab, {
    timing: FAST,
    documents: (host) => (host === c ? { KubeSpanConfig: { harvestExtraEndpoints: true } } : {}),
  })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  await using pinger = await steadyPing(a, await ulaOf(mesh, b))
  const answersWithin = async (): Promise<void> => {
    // Answers to what was under way do not count.
    await afterPeriod(mesh, a)
    const took = await pinger.nextAnswer(PATIENCE_MS)
    assert.ok(took < REBIND_LIMIT_MS, `found again after ${Math.round(took)} ms`)
  }

  await t.test('when a NAT has given another port', async () => {
    await rebind(lab, a)
    await answersWithin()
  })

  await t.test('when one comes home, where its port is another one by now', async () => {
    await move(lab, a, 'wan')
    await answersWithin()
    await move(lab, a, 'home1')
    await answersWithin()
  })
  await assertNothingInClear(lab)
})
