import { readFileSync } from 'node:fs'
import type { Clock, Milliseconds } from '../shared/clock.ts'
import type { Logger } from '../shared/log.ts'
import { messageOf } from '../shared/message-of.ts'
import type { Config } from './config.ts'
import { formatStoreAddress, type RedisAddress } from './store/address.ts'
import type { RunningStore } from './store/store.ts'
import type { Subscriptions } from './subscription/subscriptions.ts'
import type { Metrics } from './web/metrics.ts'

export interface RedisSurroundings {
  readonly config: Config
  readonly address: RedisAddress
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly subscriptions: Subscriptions
}

/** A sweep that is late by so many intervals, and by this, was late because nobody could sweep. */
const INTERVALS_PER_GAP = 3
const GAP_MIN: Milliseconds = 10_000
/** The same failure is logged so often at most. */
const SAY_AGAIN: Milliseconds = 10_000

/** A service whose store is not there yet starts after this, and answers that it is not there. */
const REACH_LIMIT: Milliseconds = 3_000

/** Clusters in Redis, which is waited for, but need not be there. @throws when a file cannot be read */
export async function openRedisStore(around: RedisSurroundings): Promise<RunningStore> {
  const { config, address, clock, log, metrics, subscriptions } = around
  const credentials = {
    password: readSecret('-store-password-file', config.storePasswordFile),
    authorities: readSetting('-store-ca-file', config.storeCaFile),
  }
  // Not loaded, nor paid for in memory, by those who need no Redis.
  const [{ connectTo }, { RedisStore }] = await Promise.all([
    import('./store/redis/connect.ts'),
    import('./store/redis/redis-store.ts'),
  ])
  const store = formatStoreAddress(address)
  let saidAt = -Infinity
  const reached = Promise.withResolvers<void>()
  const opened = new RedisStore({
    connect: () => connectTo(address, credentials),
    clock,
    changes: subscriptions,
    isWatched: (clusterId) => subscriptions.isWatched(clusterId),
    limits: { all: config.maxAffiliatesPerAddress, unproven: config.maxUnprovenPerAddress },
    sweepGap: Math.max(GAP_MIN, config.gcInterval * INTERVALS_PER_GAP),
    reports: {
      reached: () => {
        log.info({ store }, 'store reached')
        reached.resolve()
      },
      lost: (reason) => {
        metrics.storeLost()
        log.warn({ store, err: reason }, 'store lost: watchers keep what they have, updates are refused')
      },
      evicting: (policy) =>
        log.warn(
          { store, policy },
          'the store may throw away what it should keep: redis-cli CONFIG SET maxmemory-policy noeviction',
        ),
      failed: (reason) => {
        metrics.storeFailed()
        if (clock.now() - saidAt < SAY_AGAIN) return
        saidAt = clock.now()
        log.warn({ store, err: reason }, 'store failed')
      },
      unreachable: (reason) => {
        if (clock.now() - saidAt < SAY_AGAIN) return
        saidAt = clock.now()
        log.warn({ store, err: reason }, 'store cannot be reached')
      },
      putBack: (cluster, affiliates) => {
        metrics.storePutBack(affiliates)
        log.warn({ cluster: cluster.slice(0, TAG_CHARACTERS), affiliates }, 'the store had lost affiliates')
      },
    },
  })
  using _limit = clock.after(REACH_LIMIT, reached.resolve)
  await reached.promise
  return opened
}

/** What logs show of a cluster's hash. */
const TAG_CHARACTERS = 8

const readSecret = (flag: string, path: string): string | undefined => readSetting(flag, path)?.trim()

function readSetting(flag: string, path: string): string | undefined {
  if (path === '') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`${flag}: ${messageOf(error)}`)
  }
}
