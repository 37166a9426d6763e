import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ChangeSink } from '../../discovery/state/clusters.ts'
import { clusterHash } from '../../discovery/store/cluster-hash.ts'
import { connectTo } from '../../discovery/store/redis/connect.ts'
import { keysOf } from '../../discovery/store/redis/layout.ts'
import { RedisStore } from '../../discovery/store/redis/redis-store.ts'
import { systemClock } from '../../shared/clock.ts'
import { ORIGIN_LIMITS, testGuards } from '../support/store/guard-suite.ts'
import { RedisServer } from '../support/store/redis-server.ts'
import { type StoreWorld, testStore } from '../support/store/store-suite.ts'

/** Histories are told of a time long ago, so that Redis has reached every instant of them. */
const LONG_AGO_MS = 24 * 60 * 60_000

async function openOn(server: RedisServer, changes: ChangeSink, sweepGap = 60_000): Promise<RedisStore> {
  const reached = Promise.withResolvers<void>()
  const store = new RedisStore({
    connect: () => connectTo(server.address, { password: undefined, authorities: undefined }),
    clock: systemClock,
    changes,
    isWatched: () => true,
    reports: {
      reached: reached.resolve,
      lost: () => {},
      unreachable: () => {},
      evicting: (policy) => assert.fail(policy),
      failed: (reason) => assert.fail(reason),
      putBack: () => assert.fail('nothing was lost'),
    },
    sweepGap,
    limits: ORIGIN_LIMITS,
    settleTime: 0,
  })
  await reached.promise
  return store
}

async function open(changes: ChangeSink): Promise<StoreWorld> {
  const server = await RedisServer.start()
  const store = await openOn(server, changes)
  return {
    store,
    base: Math.floor(store.now()) - LONG_AGO_MS,
    sweep: (now) => store.sweepAt(now),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

testStore({ name: 'clusters in Redis', open, histories: 100 })
testGuards({ name: 'clusters in Redis', open })

test('when nobody could sweep for a while, as much time passes again before anything expires', async () => {
  await using server = await RedisServer.start()
  await using store = await openOn(server, { changed: () => {} }, 1000)
  const update = { data: Buffer.from('x'), endpoints: [], expiresAt: store.now() + 100 }
  await store.sweep()
  await store.update('c', 'a', update, () => undefined)
  await pause(3000)
  const backAt = store.now()
  const affiliates = async (): Promise<number> => {
    await store.sweep()
    return (await store.countAffiliates()) as number
  }
  assert.equal(await affiliates(), 1)
  while ((await affiliates()) === 1) await pause(50)
  assert.ok(store.now() - backAt >= 3000, `${store.now() - backAt} ms`)
})

test('a value that a later version wrote is left alone', async () => {
  await using server = await RedisServer.start()
  const told: string[] = []
  await using store = await openOn(server, {
    changed: (_cluster, id, change) => told.push(`${id} ${change}`),
  })
  const keys = keysOf(clusterHash('c'))
  const update = { data: Buffer.from('x'), endpoints: [], expiresAt: store.now() - 1000 }
  await store.update('c', 'a', update, () => undefined)
  await store.follow('c')
  await server.ask('HSET', keys.affiliates, 'a', 'of a later version, with other fields')
  await store.sweepAt(store.now())
  assert.deepEqual(await store.update('c', 'a', update, () => undefined), { kind: 'unavailable' })
  assert.match(await server.ask('HGET', keys.affiliates, 'a'), /of a later version/)
  await store.follow('c')
  assert.deepEqual(told, ['a created'])
  assert.equal(store.held('c').size, 1)
})
