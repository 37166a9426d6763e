import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ForgetInput, type PeerLife, planForget } from '../../../../../kubespan/plan/members/forget.ts'
import type { RetainedAffiliate } from '../../../../../kubespan/plan/members/retain.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const now = 1_000_000
const record = (nodeId: string, unconfirmedUntil?: number): RetainedAffiliate => ({
  affiliate: affiliateOf({
    nodeId,
    nodename: 'worker',
    hostname: 'worker.example',
    publicKey: `key-${nodeId}`,
  }),
  unconfirmedUntil,
  soleClaims: [],
})
const UP: PeerLife = { state: 'up', silentSince: undefined, heardAt: now - 5_000 }
const DOWN: PeerLife = { state: 'down', silentSince: now - 40_000, heardAt: now - 50_000 }
const plan = (said: Partial<ForgetInput>) =>
  planForget({
    called: 'worker',
    retained: [record('old'), record('new')],
    sources: new Map([
      ['old', ['service/lab']],
      ['new', ['service/lab', 'k8s']],
    ]),
    lives: new Map([
      ['key-old', DOWN],
      ['key-new', UP],
    ]),
    now,
    liveWithin: 60_000,
    ...said,
  })

test('of a machine that was installed anew the name drops the old record, and the new one stays', () => {
  const { nodeIds, says } = plan({})
  assert.deepEqual(nodeIds, ['old'])
  assert.match(
    says[0] ?? '',
    /^forgot affiliate old \(worker\), last heard 50s ago: .*service\/lab still lists/,
  )
  assert.match(
    says[1] ?? '',
    /^affiliate new \(worker\) stays: .* listed by service\/lab and k8s and heard 5s ago/,
  )
})

test('node id, host name and key name it as well', () => {
  for (const called of ['old', 'key-old']) assert.deepEqual(plan({ called }).nodeIds, ['old'])
  assert.deepEqual(plan({ called: 'worker.example' }).nodeIds, ['old'])
})

test('a live member is refused, and said why; one that is only thought to be up is not', () => {
  const { nodeIds, says } = plan({ called: 'new' })
  assert.deepEqual(nodeIds, [])
  assert.match(says.join(), /no unconfirmed affiliate/)
  for (const life of [
    { ...UP, silentSince: now - 1 },
    { ...UP, heardAt: now - 60_001 },
    { ...UP, state: 'unknown' as const },
  ])
    assert.deepEqual(plan({ called: 'new', lives: new Map([['key-new', life]]) }).nodeIds, ['new'])
  assert.deepEqual(plan({ called: 'new', lives: new Map() }).nodeIds, ['new'], 'it is no peer')
})

test('whom no source vouches for goes although its tunnel is live', () => {
  const { nodeIds, says } = plan({ called: 'new', retained: [record('new', now + 1)] })
  assert.deepEqual(nodeIds, ['new'])
  assert.match(says.join(), /no source lists it/)
})

test('who is not known is said', () => {
  assert.deepEqual(plan({ called: '' }).nodeIds, [])
  assert.match(plan({ called: 'nobody' }).says.join(), /no unconfirmed affiliate is called nobody/)
})
