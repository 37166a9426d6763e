import type { Redis } from 'ioredis'
import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { type AffiliateUpdate, updateAffiliate } from '../../state/affiliate.ts'
import {
  type Affiliates,
  type ChangeSink,
  type Counts,
  TOO_MANY_AFFILIATES,
  TOO_MANY_ENDPOINTS,
  TOO_MANY_FROM_ADDRESS,
} from '../../state/clusters.ts'
import type { Refusal } from '../../validation/refusal.ts'
import { clusterHash } from '../cluster-hash.ts'
import type { AdmitCluster, ClusterSummary, RunningStore } from '../store.ts'
import { claimCluster } from './claim.ts'
import {
  countCluster,
  deleteAffiliate,
  readAffiliate,
  readCluster,
  type WriteOptions,
  writeAffiliate,
} from './clusters-in-redis.ts'
import { Following } from './following.ts'
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
  /** How many affiliates of one cluster may come from one client address; 0, as by default, for any number. */
  readonly maxPerOrigin?: number
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

const UNAVAILABLE: Refusal = { kind: 'unavailable' }

/** Others change the same affiliate at the same time, if at all, a few times. */
const ATTEMPTS = 16

/**
 * Clusters in Redis, for any number of replicas. What an update makes of an affiliate is computed here by the rules of
 * `discovery/state` and written in the place of what it was computed from; when something else stands there, it is
 * computed again. While Redis cannot be reached, what is followed is still held and nothing else is answered.
 */
export class RedisStore implements RunningStore {
  readonly #options: RedisStoreOptions
  readonly #link: Link
  readonly #following: Following

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
    return await this.#reach(() => this.#update(clusterId, affiliateId, update, admit))
  }

  async delete(clusterId: string, affiliateId: string): Promise<boolean | Refusal> {
    return await this.#reach(async () => {
      const { kind } = await deleteAffiliate(this.#link, this.#keysOf(clusterId), affiliateId, ANY)
      return kind === 'done'
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

  async #update(
    clusterId: string,
    affiliateId: string,
    given: AffiliateUpdate,
    admit: AdmitCluster,
  ): Promise<Refusal | undefined> {
    const followed = this.#following.cluster(clusterId)
    const keys = followed?.keys ?? keysOf(clusterHash(clusterId))
    const update = { ...given, origin: given.origin && originTag(clusterId, given.origin) }
    const { maxPerOrigin: mostPerOrigin = 0 } = this.#options
    let old = followed?.cluster.get(affiliateId)
    let isOldKnown = false
    let mayCreate = false
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const affiliate = updateAffiliate(affiliateId, old, update)
      if (affiliate === undefined) {
        if (isOldKnown) return TOO_MANY_ENDPOINTS
        old = await readAffiliate(this.#link, keys, affiliateId)
        isOldKnown = true
        continue
      }
      const isChange = old === undefined || old.encoded !== affiliate.encoded
      const options: WriteOptions = { expected: old?.version ?? '', isChange, mayCreate, mostPerOrigin }
      const { written, stored } = await writeAffiliate(this.#link, keys, affiliate, options)
      switch (written.kind) {
        case 'done':
          if (!isChange) followed?.cluster.refreshed(options.expected, stored)
          return undefined
        case 'full':
          return TOO_MANY_AFFILIATES
        case 'crowded':
          return TOO_MANY_FROM_ADDRESS
        case 'absent': {
          const refusal = await admit()
          if (refusal !== undefined) return refusal
          mayCreate = true
          break
        }
        case 'conflict':
          if (written.isUnreadable) return UNAVAILABLE
          old = written.there
          isOldKnown = true
          break
        default:
          return UNAVAILABLE
      }
    }
    return UNAVAILABLE
  }

  #keysOf(clusterId: string): ClusterKeys {
    return this.#following.cluster(clusterId)?.keys ?? keysOf(clusterHash(clusterId))
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
