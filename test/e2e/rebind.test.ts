import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { changePublicAddress, move, rebind } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { mesh as startMesh } from '../lab/mesh.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import { patient } from '../support/patience.ts'
import {
  afterPeriod,
  assertNothingInClear,
  FAST,
  PATIENCE_MS,
  peerOf,
  skip,
  steadyPing,
  ulaOf,
  withHistory,
} from './story.ts'

/** Found dead within 15 s, heard from its new port by the public host, and learned of from the service. */
const REBIND_LIMIT_MS = 40_000
/** Found dead within 15 s; then the connection to the service is found dead too, and a new one tells the address. */
const READDRESS_LIMIT_MS = 25_000
/** What a host publishes when it has moved is news to all, so that both ends look for each other at once. */
const MOVE_LIMIT_MS = 20_000

const HOMES = [nat('home1', 'port-restricted'), nat('home2', 'port-restricted')]
const AT_HOME = [behind('home1', 'a'), behind('home2', 'b')]

test('two hosts behind port-restricted NATs find each other again by what a public one harvests', {
  skip,
}, async (t) => {
  const world = topology({ hosts: [...AT_HOME, publicHost('c')], nats: HOMES })
  await using lab = await Lab.create(world, { prefix: 'e2erebind' })
  const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')]
  await using mesh = await startMesh(lab, {
    timing: FAST,
    documents: (host) => (host === c ? { KubeSpanConfig: { harvestExtraEndpoints: true } } : {}),
  })
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

test('a router that gets another public address costs no more than the doubt', { skip }, async () => {
  const world = topology({ hosts: AT_HOME, nats: HOMES })
  await using lab = await Lab.create(world, { prefix: 'e2ereaddress' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await using mesh = await startMesh(lab, { timing: FAST })
  await mesh.full(PATIENCE_MS)
  await using pinger = await steadyPing(a, await ulaOf(mesh, b))
  const before = await mesh.until(b, (view) => peerOf(view, a)?.state === 'up')
  await changePublicAddress(lab, 'home1')
  const changedAt = performance.now()
  const isElsewhere = (view: DaemonView): boolean =>
    peerOf(view, a)?.state === 'up' && peerOf(view, a)?.endpoint !== peerOf(before, a)?.endpoint
  await withHistory(mesh, async () => {
    await mesh.until(b, isElsewhere, PATIENCE_MS)
    await pinger.nextAnswer(PATIENCE_MS)
  })()
  const took = performance.now() - changedAt
  // Without a word from a, the service would be asked every 30 s.
  assert.ok(took < patient(READDRESS_LIMIT_MS), `found again after ${Math.round(took)} ms`)
  await assertNothingInClear(lab)
})
