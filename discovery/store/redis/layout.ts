import type { Milliseconds } from '../../../shared/clock.ts'
import { TTL_MAX_MS } from '../../validation/limits.ts'
import { clusterHash } from '../cluster-hash.ts'

/** Every key begins like this, so that others may use the same Redis. */
const PREFIX = 'openspan'

/** Digits of the hash that are the tag of a key: all keys of a bucket are on the same node of a Redis Cluster. */
const BUCKET_DIGITS = 2

/** What every cluster belongs to one of. A bucket has one list of what is due, and one of its clusters. */
export const BUCKETS: readonly string[] = Array.from({ length: 16 ** BUCKET_DIGITS }, (_, index) =>
  index.toString(16).padStart(BUCKET_DIGITS, '0'),
)

/** Names of the keys of one cluster; in them stands only the hash of its id. */
export interface ClusterKeys {
  readonly hash: string
  /** Hash: values by affiliate id, and by the empty name the id of the last change. */
  readonly affiliates: string
  /** Stream of changes, and the channel on which each is told as well. */
  readonly changes: string
  readonly due: string
  readonly clusters: string
  /** String: the write key that the cluster was brought to life with. */
  readonly pin: string
}

export function keysOf(hash: string): ClusterKeys {
  const bucket = hash.slice(0, BUCKET_DIGITS)
  const own = `${PREFIX}:{${bucket}}:${hash}`
  return {
    hash,
    affiliates: `${own}:affiliates`,
    changes: `${own}:changes`,
    due: dueKey(bucket),
    clusters: clustersKey(bucket),
    pin: `${own}:key`,
  }
}

/** Sorted set of `dueMember`s by the instant at which something of them is over. */
export const dueKey = (bucket: string): string => `${PREFIX}:{${bucket}}:due`
/** Set of the hashes of clusters that hold something. */
export const clustersKey = (bucket: string): string => `${PREFIX}:{${bucket}}:clusters`
/** Hash: which run of which server it is, and when what is due was and may be swept; see epoch.lua and turn.lua. */
export const EPOCH_KEY = `${PREFIX}:epoch`
/** Set of the clusters that an address, of which this is the hash, brought to life. */
export const originKey = (hash: string): string => `${PREFIX}:origin:${hash}`

/**
 * What stands in the values of a cluster for a client address: to count by, and telling nothing of the address to who does not know
 * the cluster's id.
 */
export const originTag = (clusterId: string, origin: string): string =>
  clusterHash(`${origin} ${clusterId}`).slice(0, ORIGIN_DIGITS)

const ORIGIN_DIGITS = 16
const HASH_DIGITS = 64

export const dueMember = (hash: string, affiliateId: string): string => `${hash}${affiliateId}`
export const readDueMember = (member: string): { readonly hash: string; readonly affiliateId: string } => ({
  hash: member.slice(0, HASH_DIGITS),
  affiliateId: member.slice(HASH_DIGITS),
})

/** Of clusters that nobody writes to any more, should no sweeper ever come by. Whoever lives writes every half hour. */
export const KEY_LIFE: Milliseconds = 24 * 60 * 60_000
/** Of write keys of clusters that nobody writes to any more. */
export { PIN_LIFE } from '../../state/pins.ts'
/** Sweeping is put off by no more than this, nor for longer: the longest that nodes may ask for (SPEC 1.2). */
export const HOLD_MAX: Milliseconds = TTL_MAX_MS
/** About so many changes of a cluster are kept for those who were away. */
export const STREAM_ENTRIES = 512
