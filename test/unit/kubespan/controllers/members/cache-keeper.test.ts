import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { parseConfig } from '../../../../../kubespan/config/parse.ts'
import { CacheKeeper } from '../../../../../kubespan/controllers/members/cache-keeper.ts'
import type { AffiliateStore } from '../../../../../kubespan/controllers/mesh-host.ts'
import { unconfirmed } from '../../../../../kubespan/plan/members/retain.ts'
import type { CachedAffiliate } from '../../../../../kubespan/sources/affiliate-cache.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const { settings } = parseConfig(
  'c.yaml',
  `{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: abc, clusterSecret: "${randomBytes(32).toString('base64')}"}\n`,
  { hostname: 'box', operatingSystem: '' },
)

function world() {
  const clock = new ManualClock()
  const saves: (readonly CachedAffiliate[])[] = []
  const warnings: string[] = []
  const store: AffiliateStore & { fault?: Error } = {
    load: async () => [{ affiliate: affiliateOf({ nodeId: 'cached' }), confirmedAt: 77 }],
    async save(_settings, entries) {
      if (store.fault !== undefined) throw store.fault
      saves.push(entries)
    },
  }
  return {
    clock,
    saves,
    warnings,
    store,
    keeper: new CacheKeeper(store, clock, (problem) => warnings.push(problem)),
  }
}
const confirmed = (...ids: string[]) =>
  ids.map((nodeId) => ({
    affiliate: affiliateOf({ nodeId }),
    unconfirmedUntil: undefined,
    soleClaims: [],
  }))
const one = confirmed('one')
const two = confirmed('one', 'two')

test('the cache is read once for a cluster', async () => {
  const { keeper } = world()
  assert.equal((await keeper.first(settings))?.length, 1)
  assert.equal(await keeper.first(settings), undefined)
  assert.equal(
    (
      await keeper.first({
        ...settings,
        cluster: { ...(settings.cluster as never as object), id: 'other' } as never,
      })
    )?.length,
    1,
  )
  assert.equal(await keeper.first({ ...settings, cluster: undefined }), undefined)
})

test('changes are written, but not each; what is the same is renewed now and then', async () => {
  const { keeper, clock, saves } = world()
  await keeper.keep(settings, one)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 1)
  await clock.advance(5_000)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 2)
  await clock.advance(60_000)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 2)
  await clock.advance(3_600_000)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 3)
})

test('what changed since the last write says when it wants to be written, and is written at the end', async () => {
  const { keeper, clock, saves } = world()
  assert.equal(keeper.patience, Infinity)
  await keeper.keep(settings, one)
  assert.equal(keeper.patience, Infinity)
  await clock.advance(1_000)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 1)
  assert.equal(keeper.patience, 4_000)
  await clock.advance(60_000)
  assert.equal(keeper.patience, 0)
  await keeper.keep(settings, two)
  assert.equal(saves.length, 2)
  assert.equal(keeper.patience, Infinity)
  await keeper.keep(settings, one)
  await keeper.flush()
  assert.deepEqual(
    saves.at(-1)?.map(({ affiliate }) => affiliate.nodeId),
    ['one'],
  )
  await keeper.flush()
  assert.equal(saves.length, 3)
})

test('what was learned in one cluster is never written as of another', async () => {
  const { keeper, saves, store } = world()
  const under: unknown[] = []
  store.save = async ({ cluster }, entries) => {
    under.push(cluster?.id)
    saves.push(entries)
  }
  await keeper.keep(settings, one)
  await keeper.keep(settings, two)
  const moved = { ...settings, cluster: { ...(settings.cluster as never as object), id: 'other' } as never }
  await keeper.first(moved)
  await keeper.keep(moved, [])
  await keeper.flush()
  assert.deepEqual(under, ['abc', 'abc'])
})

test('an empty mesh does not replace the last known one', async () => {
  const { keeper, saves } = world()
  await keeper.keep(settings, [])
  assert.equal(saves.length, 0)
})

test('a full disk is told once, and tried again', async () => {
  const { keeper, clock, saves, warnings, store } = world()
  store.fault = new Error('ENOSPC')
  for (let n = 0; n < 3; n++) {
    await keeper.keep(settings, one)
    await clock.advance(5_000)
  }
  assert.deepEqual(warnings, ['the cache of affiliates cannot be written: ENOSPC'])
  await keeper.keep(settings, one)
  assert.equal(keeper.patience, Infinity, 'with the next pass that comes for another reason')
  await clock.advance(5_000)
  delete store.fault
  await keeper.keep(settings, one)
  assert.equal(saves.length, 1)
})

test('what no source vouches for grows old however often it is written', async () => {
  const { keeper, clock, saves } = world()
  const cached = unconfirmed((await keeper.first(settings)) ?? [])
  const both = async () => {
    await keeper.keep(settings, [...cached, ...one])
    return saves.at(-1)?.map(({ affiliate, confirmedAt }) => [affiliate.nodeId, confirmedAt])
  }
  assert.deepEqual(await both(), [
    ['cached', 77],
    ['one', clock.wall()],
  ])
  await clock.advance(3_600_000)
  assert.deepEqual(await both(), [
    ['cached', 77],
    ['one', clock.wall()],
  ])
})
