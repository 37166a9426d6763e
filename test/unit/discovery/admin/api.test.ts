import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type AffiliateView, type ClusterView, makeAdminApi } from '../../../../discovery/admin/api.ts'
import { type Change, Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import type { Refusal } from '../../../../discovery/validation/refusal.ts'
import { questionOf } from '../../../../shared/http.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex')

interface World {
  readonly clusters: Clusters
  readonly clock: ManualClock
  readonly changes: string[]
  readonly forgotten: unknown[]
  readonly ask: (
    method: string,
    target: string,
    authorization?: string,
  ) => Promise<{ status: number; body: unknown }>
}

function world(token?: string): World {
  const changes: string[] = []
  const changed = (_cluster: string, affiliate: string, change: Change): unknown =>
    changes.push(`${affiliate} ${change}`)
  const clusters = new Clusters({ changed })
  const clock = new ManualClock()
  const forgotten: unknown[] = []
  const api = makeAdminApi({
    store: new MemoryStore(clusters, clock),
    token: token === undefined ? undefined : () => token,
    onForget: (what) => forgotten.push(what),
  })
  for (const [cluster, affiliate] of [
    ['one', 'a/1'],
    ['one', 'b'],
    ['two', 'c'],
  ] as const)
    clusters.update(cluster, affiliate, {
      data: Buffer.from('data'),
      endpoints: [Buffer.from(affiliate)],
      expiresAt: 90_000,
      receivedAt: 0,
    })
  changes.length = 0
  return {
    clusters,
    clock,
    changes,
    forgotten,
    ask: async (method, target, authorization) => {
      const { status, body } = await api(questionOf(method, target, authorization))
      return { status, body: JSON.parse(body as string) }
    },
  }
}

test('clusters are listed by hash, never by id', async () => {
  const { ask } = world()
  const { body } = await ask('GET', '/clusters')
  assert.deepEqual(
    new Map(
      (body as ClusterView[]).map(({ cluster, affiliates, endpoints }) => [cluster, [affiliates, endpoints]]),
    ),
    new Map([
      [hashOf('one'), [2, 2]],
      [hashOf('two'), [1, 1]],
    ]),
  )
})

test('affiliates are listed with their age, and the time they have left', async () => {
  const { ask, clock, clusters } = world()
  await clock.advance(30_000)
  clusters.update('one', 'b', { data: undefined, endpoints: [], expiresAt: 90_000, receivedAt: 20_000 })
  const imported = { id: 'c', data: Buffer.from('d'), endpoints: [], expiresAt: 31_000 }
  clusters.import({ id: 'one', affiliates: [imported] })
  const { body } = await ask('GET', `/clusters/${hashOf('one').slice(0, 8)}/affiliates`)
  assert.deepEqual(body as AffiliateView[], [
    { id: 'a/1', dataBytes: 4, endpoints: 1, expiresInSeconds: 60, refreshedSecondsAgo: 30 },
    { id: 'b', dataBytes: 4, endpoints: 1, expiresInSeconds: 60, refreshedSecondsAgo: 10 },
    { id: 'c', dataBytes: 1, endpoints: 0, expiresInSeconds: 1, refreshedSecondsAgo: null },
  ])
})

test('an affiliate is forgotten, and everybody is told', async () => {
  const { ask, clusters, changes, forgotten } = world()
  const cluster = hashOf('one')
  const answer = await ask('DELETE', `/clusters/${cluster}/affiliates/${encodeURIComponent('a/1')}`)
  assert.deepEqual(answer, { status: 200, body: { cluster, affiliates: 1 } })
  assert.deepEqual(changes, ['a/1 deleted'])
  assert.deepEqual(forgotten, [{ cluster, affiliates: 1, affiliateId: 'a/1' }])
  assert.equal(clusters.affiliatesOf('one').size, 1)
  assert.equal((await ask('DELETE', `/clusters/${cluster}/affiliates/nobody`)).status, 404)
})

test('a cluster is forgotten', async () => {
  const { ask, clusters, changes } = world()
  const { body } = await ask('DELETE', `/clusters/${hashOf('one')}`)
  assert.deepEqual(body, { cluster: hashOf('one'), affiliates: 2 })
  assert.deepEqual(changes, ['a/1 deleted', 'b deleted'])
  assert.equal(clusters.counts.clusters, 1)
  assert.equal((await ask('DELETE', `/clusters/${hashOf('one')}`)).status, 404)
})

test('a beginning of a hash must be long enough, and only one cluster may have it', async () => {
  const { ask, clusters } = world()
  assert.equal((await ask('GET', '/clusters/abc/affiliates')).status, 400)
  assert.equal((await ask('GET', '/clusters/one/affiliates')).status, 400)
  assert.equal((await ask('GET', '/clusters/00000000/affiliates')).status, 404)
  // Two ids whose hashes share eight digits are not found in the time of a test: a state that says one twice will do.
  const twice = Object.assign(Object.create(clusters), {
    export: () => [...clusters.export(), ...clusters.export()],
  })
  const api = makeAdminApi({
    store: new MemoryStore(twice, new ManualClock()),
    token: undefined,
    onForget: () => {},
  })
  assert.equal((await api(questionOf('DELETE', `/clusters/${hashOf('one').slice(0, 8)}`))).status, 409)
})

test('what does not exist, and what cannot be done', async () => {
  const { ask } = world()
  const cluster = `/clusters/${hashOf('one')}`
  for (const path of ['/', '/cluster', `${cluster}/other`, `${cluster}/affiliates/a/b`, '/clusters/%E0%A4%A'])
    assert.equal((await ask('GET', path)).status, 404, path)
  for (const [method, path] of [
    ['DELETE', '/clusters'],
    ['GET', cluster],
    ['PUT', `${cluster}/affiliates`],
    ['GET', `${cluster}/affiliates/b`],
  ] as const)
    assert.equal((await ask(method, path)).status, 405, path)
})

test('with a token, nothing is said to those who do not have it', async () => {
  const { ask } = world('a token of some length')
  for (const authorization of [undefined, '', 'Bearer', 'Bearer wrong', 'a token of some length'])
    assert.equal((await ask('GET', '/clusters', authorization)).status, 401)
  assert.equal((await ask('GET', '/clusters', 'Bearer a token of some length')).status, 200)
})

test('a store that cannot be reached is said, at whatever step', async () => {
  const unavailable = async (): Promise<Refusal> => ({ kind: 'unavailable' })
  const hash = hashOf('one')
  const store = {
    now: () => 0,
    summaries: async () => [{ hash, affiliates: 1, endpoints: 1 }],
    affiliatesOf: unavailable,
    forget: unavailable,
  }
  const onForget = (): void => assert.fail('nothing was forgotten')
  const halfway = makeAdminApi({ store, token: undefined, onForget })
  const nothing = makeAdminApi({ store: { ...store, summaries: unavailable }, token: undefined, onForget })
  for (const [method, path, api] of [
    ['GET', '/clusters', nothing],
    ['GET', `/clusters/${hash}/affiliates`, halfway],
    ['DELETE', `/clusters/${hash}`, halfway],
    ['DELETE', `/clusters/${hash}/affiliates/a`, halfway],
  ] as const)
    assert.equal((await api(questionOf(method, path))).status, 503, path)
})
