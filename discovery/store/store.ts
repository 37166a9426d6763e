import type { Instant } from '../../shared/clock.ts'
import type { AffiliateUpdate } from '../state/affiliate.ts'
import type { Affiliates, Counts } from '../state/clusters.ts'
import type { Writer } from '../state/rights.ts'
import type { Refusal } from '../validation/refusal.ts'

/** At once, or later: a store in memory answers at once, so that nobody pays for a promise. */
export type Soon<T> = T | Promise<T>

/** Goes on with a value as soon as it is there. */
export const andThen = <T, U>(soon: Soon<T>, next: (value: T) => Soon<U>): Soon<U> =>
  soon instanceof Promise ? soon.then(next) : next(soon)

/** Asked before an update brings a cluster to life; undefined when it may. */
export type AdmitCluster = () => Soon<Refusal | undefined>

/** A cluster as operators see it: by a hash, because the id gives access to it. */
export interface ClusterSummary {
  /** SHA-256 of the id in hex; logs name a cluster by the first eight digits. */
  readonly hash: string
  readonly affiliates: number
  readonly endpoints: number
}

/**
 * `key` is the one that the cluster was brought to life with. Where there is none and nothing else, whoever brings it to life
 * may give it one.
 */
export interface ClusterKeyState {
  readonly key: string | undefined
  readonly exists: boolean
}

/**
 * Where the clusters are kept. The rules of what an update makes of an affiliate, and when it is over, are those of
 * `discovery/state`, whatever the store.
 */
export interface Store {
  /** The clock that expirations of this store are instants of. */
  now(): Instant

  /** All of the update or, with a refusal, nothing of it. */
  update(
    clusterId: string,
    affiliateId: string,
    update: AffiliateUpdate,
    admit: AdmitCluster,
  ): Soon<Refusal | undefined>

  /** Whether there was such an affiliate. Nobody that is known deletes it, by default. */
  delete(clusterId: string, affiliateId: string, writer?: Writer): Soon<boolean | Refusal>

  /** What is known of the write key of a cluster that the operator has named none of. */
  keyOf(clusterId: string): Soon<ClusterKeyState | Refusal>

  /** What the cluster holds, to be read before anything else runs. Looking creates nothing. */
  list(clusterId: string): Soon<Affiliates | Refusal>

  /**
   * Asked before the cluster is watched: when it is not refused, `held` has all that was answered before, and the sink
   * of changes is told of all that comes after, for as long as somebody watches.
   */
  follow(clusterId: string): Soon<Refusal | undefined>

  /** What is known here of a cluster that is followed: a live view, to be read before anything else runs. */
  held(clusterId: string): Affiliates
}

/** What operators ask of a store. Clusters have the names of their hashes. */
export interface StoreDirectory {
  now(): Instant
  /** Those that hold something, in no order. */
  summaries(): Soon<readonly ClusterSummary[] | Refusal>
  affiliatesOf(hash: string): Soon<Affiliates | Refusal>
  /** Removes an affiliate, or all of the cluster with its write key; says how many affiliates those were. Watchers are told. */
  forget(hash: string, affiliateId: string | undefined): Soon<number | Refusal>
}

/** A store as the service runs it. */
export interface RunningStore extends Store, StoreDirectory, AsyncDisposable {
  /** Whether what is asked can be answered. */
  readonly isUp: boolean
  /** How much this process holds. */
  readonly counts: Counts
  /** How many affiliates all clusters hold. */
  countAffiliates(): Soon<number | Refusal>
  /** Takes away what is over; says how much that was. */
  sweep(): Soon<Counts>
  /** Counts a cluster that `origin` brings to life; false when that has `most` others. */
  claim(origin: string, clusterId: string, most: number): boolean | Promise<boolean | Refusal>
}
