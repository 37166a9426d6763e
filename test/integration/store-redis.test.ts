import assert from 'node:assert/strict'
import type { ChangeSink } from '../../discovery/state/clusters.ts'
import { connectTo } from '../../discovery/store/redis/connect.ts'
import { RedisStore } from '../../discovery/store/redis/redis-store.ts'
import { systemClock } from '../../shared/clock.ts'
import { RedisServer } from '../support/store/redis-server.ts'
import { type StoreWorld, testStore } from '../support/store/store-suite.ts'

/** Histories are told of a time long ago, so that Redis has reached every instant of them. */
const LONG_AGO_MS = 24 * 60 * 60_000

async function open(changes: ChangeSink): Promise<StoreWorld> {
  const server = await RedisServer.start()
  const reached = Promise.withResolvers<void>()
  const store = new RedisStore({
    connect: () => connectTo(server.address, { password: undefined, authorities: undefined }),
    clock: systemClock,
    changes,
    isWatched: () => true,
    reports: {
      reached: reached.resolve,
      lost: () => {},
      failed: (reason) => assert.fail(reason),
      putBack: () => assert.fail('nothing was lost'),
    },
    sweepGap: 60_000,
    settleTime: 0,
  })
  await reached.promise
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
