import type { Instant, Milliseconds, UnixMilliseconds } from '../../shared/clock.ts'
import { isPublicWriteKey } from '../../shared/identity/write-key.ts'
import { STANDING, type Standing } from '../state/affiliate-bytes.ts'
import type { Clusters, Counts, ExportedCluster, ImportedCluster } from '../state/clusters.ts'
import {
  AFFILIATE_DATA_MAX_BYTES,
  AFFILIATE_ID_MAX_BYTES,
  AFFILIATE_MAX_ENDPOINTS,
  CLUSTER_ID_MAX_BYTES,
  CLUSTER_MAX_AFFILIATES,
  ENDPOINT_MAX_BYTES,
} from '../validation/limits.ts'
import type { SnapshotAffiliate, SnapshotCluster, SnapshotExpiry, SnapshotTime } from './snapshot-codec.ts'

export const NO_COUNTS: Counts = { clusters: 0, affiliates: 0, endpoints: 0 }

export const addCounts = (a: Counts, b: Counts): Counts => ({
  clusters: a.clusters + b.clusters,
  affiliates: a.affiliates + b.affiliates,
  endpoints: a.endpoints + b.endpoints,
})

/** One cluster with these affiliates. */
export const countsOf = (affiliates: Iterable<{ readonly endpoints: readonly unknown[] }>): Counts => {
  let [count, endpoints] = [0, 0]
  for (const affiliate of affiliates) {
    count += 1
    endpoints += affiliate.endpoints.length
  }
  return { clusters: 1, affiliates: count, endpoints }
}

/** A cluster as it goes into the file. */
export function exportCluster({ id, affiliates, key }: ExportedCluster, now: Instant): SnapshotCluster {
  const written = Array.from(affiliates.values(), (affiliate) => ({
    id: affiliate.id,
    data: affiliate.data,
    expiration: undefined,
    ttl: remaining(affiliate.expiresAt, now),
    endpoints: affiliate.endpoints.map(({ bytes, expiresAt, standing }) => ({
      data: bytes,
      expiration: undefined,
      ttl: remaining(expiresAt, now),
      ...(standing < STANDING.owner && { lacks: STANDING.owner - standing }),
    })),
    ...(affiliate.origin !== undefined && { origin: affiliate.origin }),
    ...(affiliate.isProven && { isProven: true }),
  }))
  return { id, affiliates: written, ...(key !== undefined && { key }) }
}

/** The two clocks at one moment: what runs here, and what old files were written by. */
export interface Moment {
  readonly now: Instant
  readonly wall: UnixMilliseconds
}

/**
 * Puts a cluster of a file into the state. What has expired stays out, and so does what no client could have sent
 * (SPEC 1.2): it would be handed to all of them. Answers what came in.
 */
export function importCluster(clusters: Clusters, snapshot: SnapshotCluster, moment: Moment): Counts {
  if (!isId(snapshot.id, CLUSTER_ID_MAX_BYTES)) return NO_COUNTS
  const affiliates = snapshot.affiliates
    .filter(({ id, data }) => isId(id, AFFILIATE_ID_MAX_BYTES) && data.length <= AFFILIATE_DATA_MAX_BYTES)
    .map((affiliate) => readAffiliate(affiliate, moment))
    .filter(({ expiresAt }) => expiresAt >= moment.now)
    .slice(0, CLUSTER_MAX_AFFILIATES)
  const key = snapshot.key !== undefined && isPublicWriteKey(snapshot.key) ? snapshot.key : undefined
  if (affiliates.length === 0 && key === undefined) return NO_COUNTS
  clusters.import({ id: snapshot.id, affiliates, key }, moment.now)
  if (affiliates.length === 0) return NO_COUNTS
  return countsOf(affiliates)
}

function standingOf(lacks: number | undefined): Standing {
  if (lacks === undefined) return STANDING.owner
  return lacks === 1 ? STANDING.members : STANDING.others
}

type ImportedAffiliate = ImportedCluster['affiliates'] extends Iterable<infer T> ? T : never

const readAffiliate = (affiliate: SnapshotAffiliate, moment: Moment): ImportedAffiliate => ({
  id: affiliate.id,
  data: affiliate.data,
  expiresAt: expiresAtOf(affiliate, moment),
  origin: affiliate.origin,
  isProven: affiliate.isProven === true,
  endpoints: affiliate.endpoints
    .filter(({ data }) => data.length > 0 && data.length <= ENDPOINT_MAX_BYTES)
    .map((endpoint) => ({
      bytes: endpoint.data,
      expiresAt: expiresAtOf(endpoint, moment),
      standing: standingOf(endpoint.lacks),
    }))
    .filter(({ expiresAt }) => expiresAt > moment.now)
    .slice(0, AFFILIATE_MAX_ENDPOINTS),
})

/** Servers wrote more than the thirty minutes that clients may ask for; but no file makes anything live for ever. */
const LEFT_MAX_MS: Milliseconds = 24 * 60 * 60_000

const isId = (id: string, maxBytes: number): boolean => id !== '' && Buffer.byteLength(id) <= maxBytes

/** Whole seconds, cut towards zero, negative when it is over (SPEC 1.12). */
const remaining = (expiresAt: Instant, now: Instant): SnapshotTime => ({
  seconds: BigInt(Math.trunc((expiresAt - now) / 1000)),
  nanos: 0,
})

/** `ttl` counts from the moment of loading, and wins; `expiration` is a moment of wall time; without either it is over. */
function expiresAtOf({ ttl, expiration }: SnapshotExpiry, { now, wall }: Moment): Instant {
  const left =
    ttl !== undefined
      ? millisecondsOf(ttl)
      : expiration !== undefined
        ? millisecondsOf(expiration) - wall
        : -1
  return now + Math.min(left, LEFT_MAX_MS)
}

const millisecondsOf = ({ seconds, nanos }: SnapshotTime): Milliseconds =>
  Number(seconds) * 1000 + nanos / 1e6
