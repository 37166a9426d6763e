import assert from 'node:assert/strict'
import { test } from 'node:test'
import { move, rebind } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import { patient } from '../support/patience.ts'
import {
  afterPeriod,
  assertNothingInClear,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
  withHistory,
} from './story.ts'

/** Found dead within 15 s, heard from its new port by the public host, and learned of from the service. */
const REBIND_LIMIT_MS = 40_000
/** What a host publishes when it has moved is news to all, so that both ends look for each other at once. */
const MOVE_LIMIT_MS = 20_000

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
  const answersWithin = async (limitMilliseconds: number): Promise<void> => {
    // Answers to what was under way do not count.
    await afterPeriod(mesh, a)
    const took = await pinger.nextAnswer(PATIENCE_MS)
    assert.ok(took < patient(limitMilliseconds), `found again after ${Math.round(took)} ms`)
  }

  const part = (story: () => Promise<void>) => withHistory(mesh, story)

  await t.test(
    'when a NAT has given another port',
    part(async () => {
      await rebind(lab, a)
      await answersWithin(REBIND_LIMIT_MS)
    }),
  )

  await t.test(
    'when one comes home, where its port is another one by now',
    part(async () => {
      await move(lab, a, 'wan')
      await answersWithin(MOVE_LIMIT_MS)
      await move(lab, a, 'home1')
      await answersWithin(MOVE_LIMIT_MS)
    }),
  )
  await assertNothingInClear(lab)
})
