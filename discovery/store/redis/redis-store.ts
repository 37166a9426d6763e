import type { Redis } from 'ioredis'
import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AffiliateUpdate } from '../../state/affiliate.ts'
import type { Affiliates, ChangeSink, Counts } from '../../state/clusters.ts'
import { NO_LIMITS, type OriginLimits } from '../../state/crowd.ts'
import { NOBODY } from '../../state/rights.ts'
import type { Refusal } from '../../validation/refusal.ts'
import { clusterHash } from '../cluster-hash.ts'
import type { AdmitCluster, ClusterKeyState, ClusterSummary, RunningStore } from '../store.ts'
import { claimCluster } from './claim.ts'
import { countCluster, deleteAffiliate, readCluster } from './clusters-in-redis.ts'
import { Following } from './following.ts'
import { deleteInRedis, UNAVAILABLE, updateInRedis, type WritePlace } from './guarded-writes.ts'
import { KeysSeen } from './keys-seen.ts'
import { BUCKETS, type ClusterKeys, clustersKey, dueKey, keysOf, originTag } from './layout.ts'
import { Link, RedisFailure, SETTLE_TIME } from './link.ts'
import { mayHaveTurn, sweepDue } from './sweeper.ts'

export interface RedisStoreOptions {
  /** Makes a connection that keeps trying; see `connectTo`. */
  readonly connect: () => Redis
  readonly clock: Clock
  readonly changes: ChangeSink
  readonly isWatched: (clusterId: string) => boolean
  readonly reports: RedisReports
  /** What is over may be swept when the last sweep was no longer ago. */
  readonly sweepGap: Milliseconds
  readonly settleTime?: Milliseconds
  /** How many affiliates of one cluster may come from one client address; by default any number. */
  readonly limits?: OriginLimits
}

export interface RedisReports {
  reached(): void
  lost(reason: string): void
  /** It would throw away what it should keep, were it short of memory. */
  evicting(policy: string): void
  /** It was not reached, and will be tried again. */
  unreachable(reason: string): void
  /** Redis refused something that it should not, or did not answer in time. */
  failed(reason: string): void
  putBack(hash: string, affiliates: number): void
}

/**
 * Clusters in Redis, for any number of replicas. What an update makes of an affiliate is computed here by the rules of
 * `discovery/state` and written in the place of what it was computed from; when something else stands there, it is
 * computed again. While Redis cannot be reached, what is followed is still held and nothing else is answered.
 */
export class RedisStore implements RunningStore {
  readonly #options: RedisStoreOptions
  readonly #link: Link
  readonly #following: Following
  readonly #keysSeen = new KeysSeen()

  constructor(options: RedisStoreOptions) {
    const { connect, clock, changes, isWatched, reports, settleTime = SETTLE_TIME } = options
    this.#options = options
    this.#link = new Link({
      connect,
      clock,
      settleTime,
      onMessage: (channel, message) => this.#following.message(channel, message),
      onUp: async () => {
        reports.reached()
        await this.#following.resume()
      },
      onEvicting: (policy) => reports.evicting(policy),
      onUnreachable: (reason) => reports.unreachable(reason),
      onDown: (reason) => {
        this.#following.suspend()
        reports.lost(reason)
      },
    })
    this.#following = new Following(this.#link, {
      clock,
      changes,
      keyOf: (hash) => this.#keysSeen.get(hash),
      isWatched,
      onPutBack: (hash, affiliates) => reports.putBack(hash, affiliates),
    })
  }

  /** Whether Redis can be reached. */
  get isUp(): boolean {
    return this.#link.isUp
  }

  /** How much is held of the clusters that are followed here. */
  get counts(): Counts {
    return this.#following.counts
  }

  now(): Instant {
    return this.#link.now()
  }

  async update(
    clusterId: string,
    affiliateId: string,
    update: AffiliateUpdate,
    admit: AdmitCluster,
  ): Promise<Refusal | undefined> {
    const origin = update.origin && originTag(clusterId, update.origin)
    const tagged = { ...update, origin }
    return await this.#reach(() => updateInRedis(this.#placeOf(clusterId), affiliateId, tagged, admit))
  }

  async delete(clusterId: string, affiliateId: string, writer = NOBODY): Promise<boolean | Refusal> {
    return await this.#reach(() => deleteInRedis(this.#placeOf(clusterId), affiliateId, writer))
  }

  async keyOf(clusterId: string): Promise<ClusterKeyState | Refusal> {
    return await this.#reach(async () => {
      const { keys } = this.#placeOf(clusterId)
      const [key, fields] = await Promise.all([
        this.#link.ask('GET', keys.pin) as Promise<Buffer | null>,
        this.#link.ask('HLEN', keys.affiliates) as Promise<number>,
      ])
      this.#keysSeen.saw(keys.hash, key === null ? '' : String(key))
      return { key: key === null ? undefined : String(key), exists: fields > 1 }
    })
  }

  async list(clusterId: string): Promise<Affiliates | Refusal> {
    if (this.#link.isUp) await this.#following.refresh(clusterId)
    const held = this.#following.held(clusterId)
    if (held !== undefined) return held
    return await this.affiliatesOf(clusterHash(clusterId))
  }

  async follow(clusterId: string): Promise<Refusal | undefined> {
    if (!this.#link.isUp) return this.#following.held(clusterId) === undefined ? UNAVAILABLE : undefined
    return await this.#reach(async () => {
      await this.#following.follow(clusterId)
      return undefined
    })
  }

  held(clusterId: string): Affiliates {
    return this.#following.held(clusterId) ?? NOTHING
  }

  async summaries(): Promise<readonly ClusterSummary[] | Refusal> {
    return await this.#reach(async () => {
      const members = await Promise.all(
        BUCKETS.map((bucket) => this.#link.ask('SMEMBERS', clustersKey(bucket)) as Promise<Buffer[]>),
      )
      const hashes = members.flat().map(String)
      return await Promise.all(
        hashes.map(async (hash) => ({ hash, ...(await countCluster(this.#link, keysOf(hash))) })),
      )
    })
  }

  async affiliatesOf(hash: string): Promise<Affiliates | Refusal> {
    return await this.#reach(async () => {
      await this.#link.settled()
      const reading = await readCluster(this.#link, keysOf(hash), '')
      return reading.kind === 'anew' ? reading.cluster.affiliates : NOTHING
    })
  }

  async forget(hash: string, affiliateId: string | undefined): Promise<number | Refusal> {
    return await this.#reach(async () => {
      const keys = keysOf(hash)
      const ids = affiliateId === undefined ? await this.#idsOf(keys) : [affiliateId]
      if (affiliateId === undefined) {
        await this.#link.ask('DEL', keys.pin)
        this.#keysSeen.saw(hash, '')
      }
      const deleted = await Promise.all(ids.map((id) => deleteAffiliate(this.#link, keys, id, ANY)))
      return deleted.filter(({ kind }) => kind === 'done').length
    })
  }

  async countAffiliates(): Promise<number | Refusal> {
    return await this.#reach(async () => {
      const counts = await Promise.all(
        BUCKETS.map((bucket) => this.#link.ask('ZCARD', dueKey(bucket)) as Promise<number>),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    })
  }

  /** Also forgets clusters that nobody watches. */
  async sweep(): Promise<Counts> {
    const gone = await this.#reach(async () => {
      await this.#following.tidy()
      await this.#link.settled()
      const may = await mayHaveTurn(this.#link, this.#options.sweepGap)
      return may ? await sweepDue(this.#link, this.#link.now()) : NO_COUNTS
    })
    return 'kind' in gone ? NO_COUNTS : gone
  }

  /** Sweeps what is over at a moment that Redis must have reached, whenever the last sweep was. */
  async sweepAt(now: Instant): Promise<void> {
    await sweepDue(this.#link, now)
  }

  async claim(origin: string, clusterId: string, most: number): Promise<boolean | Refusal> {
    return await this.#reach(() => claimCluster(this.#link, origin, clusterId, most))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link[Symbol.asyncDispose]()
  }

  #placeOf(clusterId: string): WritePlace {
    const followed = this.#following.cluster(clusterId)
    return {
      link: this.#link,
      keys: followed?.keys ?? keysOf(clusterHash(clusterId)),
      followed: followed?.cluster,
      keysSeen: this.#keysSeen,
      limits: this.#options.limits ?? NO_LIMITS,
    }
  }

  async #idsOf(keys: ClusterKeys): Promise<readonly string[]> {
    const fields = (await this.#link.ask('HKEYS', keys.affiliates)) as Buffer[]
    return fields.map(String).filter((id) => id !== '')
  }

  /** What cannot be asked of Redis is not available, at once when that is known. */
  async #reach<T>(ask: () => Promise<T>): Promise<T | Refusal> {
    if (!this.#link.isUp) return UNAVAILABLE
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error
      this.#options.reports.failed(error.message)
      return UNAVAILABLE
    }
  }
}

const ANY = { expected: '*' }
const NOTHING: Affiliates = new Map()
const NO_COUNTS: Counts = { clusters: 0, affiliates: 0, endpoints: 0 }
