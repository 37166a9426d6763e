import type { Instant } from '../../shared/clock.ts'
import { CLUSTER_MAX_AFFILIATES } from '../validation/limits.ts'
import type { Refusal } from '../validation/refusal.ts'
import { type AffiliateUpdate, sweepAffiliate, type UpdateRefusal, updateAffiliate } from './affiliate.ts'
import { type Affiliate, encodeAffiliate, type ForeignEndpoint, NO_MARKS } from './affiliate-bytes.ts'
import { isCrowded, NO_LIMITS, type OriginLimits, toMakeRoom } from './crowd.ts'
import { Pins } from './pins.ts'
import { NOBODY, type Rights, rightsOf, type Writer } from './rights.ts'

/** Affiliates by id. */
export type Affiliates = ReadonlyMap<string, Affiliate>

/** What watchers are told of. A refresh that only puts off expirations is no change (SPEC 9, S2). */
export type Change = 'created' | 'updated' | 'deleted'

/** Told of each change after it was made. It must not change the state in turn. */
export interface ChangeSink {
  changed(clusterId: string, affiliateId: string, change: Change): void
}

/** A cluster as it leaves the state (snapshot, pages), with expirations as instants of the process's clock. */
export interface ExportedCluster {
  readonly id: string
  readonly affiliates: Affiliates
  /** The write key that it was brought to life with; undefined for none. */
  readonly key?: string | undefined
}

/** A cluster as it enters the state; the bytes are copied. */
export interface ImportedCluster {
  readonly id: string
  readonly affiliates: Iterable<{
    readonly id: string
    readonly data: Uint8Array
    readonly endpoints: readonly ForeignEndpoint[]
    readonly expiresAt: Instant
    readonly origin?: string | undefined
    readonly isProven?: boolean
  }>
  readonly key?: string | undefined
}

/** How much there is, or how much a sweep took away. */
export interface Counts {
  readonly clusters: number
  readonly affiliates: number
  readonly endpoints: number
}

const NO_AFFILIATES: Affiliates = new Map()
export const TOO_MANY_AFFILIATES: Refusal = { kind: 'full', what: 'affiliates' }
export const TOO_MANY_ENDPOINTS: Refusal = { kind: 'full', what: 'endpoints' }
export const TOO_MANY_FROM_ADDRESS: Refusal = {
  kind: 'crowded',
  what: 'too many affiliates of the cluster from one address',
}
/** Of what a member wrote, to somebody who did not prove to be one. */
export const UNPROVEN: Refusal = {
  kind: 'unproven',
  what: 'a member of the cluster wrote this: only members may change it, and this call proves none',
}
const NO_CHANGES: ChangeSink = { changed: () => {} }

/**
 * All clusters (SPEC 1.4). Only an update makes one; looking never does (section 9, S10). An empty one goes with the
 * next sweep. Expired affiliates are there, and counted, until a sweep takes them.
 */
export class Clusters {
  readonly #clusters = new Map<string, Map<string, Affiliate>>()
  readonly #changes: ChangeSink
  readonly #limits: OriginLimits
  readonly #pins = new Pins()
  #affiliates = 0
  #endpoints = 0

  constructor(changes: ChangeSink = NO_CHANGES, limits: OriginLimits = NO_LIMITS) {
    this.#changes = changes
    this.#limits = limits
  }

  get counts(): Counts {
    return { clusters: this.#clusters.size, affiliates: this.#affiliates, endpoints: this.#endpoints }
  }

  has(clusterId: string): boolean {
    return this.#clusters.has(clusterId)
  }

  /** What the cluster holds now: a live view, to be read before anything else runs. Empty for an unknown cluster. */
  affiliatesOf(clusterId: string): Affiliates {
    return this.#clusters.get(clusterId) ?? NO_AFFILIATES
  }

  /** The write key that the cluster was brought to life with. */
  keyOf(clusterId: string): string | undefined {
    return this.#pins.get(clusterId)
  }

  /**
   * Creates or changes an affiliate, and the cluster with it: all of the update or, with a refusal, nothing of it. A cluster that
   * a member brings to life has that member's write key from then on.
   */
  update(clusterId: string, affiliateId: string, update: AffiliateUpdate): Refusal | undefined {
    const cluster = this.#clusters.get(clusterId)
    const old = cluster?.get(affiliateId)
    const { writer = NOBODY, receivedAt: now = 0 } = update
    const isNew = cluster === undefined && this.#pins.get(clusterId) === undefined
    const pinned = isNew && writer.listed === undefined ? writer.key : this.#pins.get(clusterId)
    const rights = rightsOf(writer, pinned)
    const affiliate = updateAffiliate(affiliateId, old, update, rights)
    if (typeof affiliate === 'string') return refusalOf(affiliate)
    if (old === undefined && cluster !== undefined) {
      const refusal = this.#makeRoom(clusterId, cluster, update, rights)
      if (refusal !== undefined) return refusal
    }
    if (isNew && pinned !== undefined) this.#pins.set(clusterId, pinned, now)
    else if (rights === 'member') this.#pins.used(clusterId, now)
    this.#put(clusterId, cluster, old, affiliate)
    if (old === undefined) this.#changes.changed(clusterId, affiliateId, 'created')
    else if (old.encoded !== affiliate.encoded) this.#changes.changed(clusterId, affiliateId, 'updated')
    return undefined
  }

  /** False when there was no such affiliate. An operator needs to prove nothing. */
  delete(clusterId: string, affiliateId: string, writer: Writer | 'operator' = NOBODY): boolean | Refusal {
    const cluster = this.#clusters.get(clusterId)
    const affiliate = cluster?.get(affiliateId)
    if (cluster === undefined || affiliate === undefined) return false
    const mayDelete =
      !affiliate.isProven ||
      writer === 'operator' ||
      rightsOf(writer, this.#pins.get(clusterId)) !== 'stranger'
    if (!mayDelete) return UNPROVEN
    this.#remove(clusterId, cluster, affiliate)
    return true
  }

  /** Removes all affiliates of a cluster, the cluster, and the write key it had; says how many affiliates those were. */
  deleteCluster(clusterId: string): number {
    this.#pins.delete(clusterId)
    const cluster = this.#clusters.get(clusterId)
    if (cluster === undefined) return 0
    const removed = cluster.size
    for (const affiliate of cluster.values()) this.#remove(clusterId, cluster, affiliate)
    this.#clusters.delete(clusterId)
    return removed
  }

  /** Takes away what expired before `now`, then the clusters that are empty. Says how much that was. */
  sweep(now: Instant): Counts {
    const before = this.counts
    for (const [clusterId, cluster] of this.#clusters) {
      for (const affiliate of cluster.values()) {
        const left = sweepAffiliate(affiliate, now)
        if (left === affiliate) continue
        if (left === undefined) this.#remove(clusterId, cluster, affiliate)
        else {
          this.#put(clusterId, cluster, affiliate, left)
          this.#changes.changed(clusterId, affiliate.id, 'updated')
        }
      }
      if (cluster.size === 0) this.#clusters.delete(clusterId)
    }
    this.#pins.sweep(now, (clusterId) => this.#clusters.has(clusterId))
    const after = this.counts
    return {
      clusters: before.clusters - after.clusters,
      affiliates: before.affiliates - after.affiliates,
      endpoints: before.endpoints - after.endpoints,
    }
  }

  /** All clusters that hold something or have a key, one by one: live views, each to be read before anything else runs. */
  *export(): Generator<ExportedCluster, void> {
    for (const [id, affiliates] of this.#clusters)
      if (affiliates.size > 0) yield { id, affiliates, key: this.#pins.get(id) }
    for (const [id, { key }] of this.#pins.entries())
      if (this.affiliatesOf(id).size === 0) yield { id, affiliates: NO_AFFILIATES, key }
  }

  /** Adds what a snapshot says, as it says it: limits are not asked, and an affiliate that is there is replaced. */
  import({ id: clusterId, affiliates, key }: ImportedCluster, now: Instant = 0): void {
    if (key !== undefined) this.#pins.set(clusterId, key, now)
    for (const { id, data, endpoints, expiresAt, origin, isProven = false } of affiliates) {
      const cluster = this.#clusters.get(clusterId)
      const old = cluster?.get(id)
      this.#put(
        clusterId,
        cluster,
        old,
        encodeAffiliate(id, data, endpoints, expiresAt, { ...NO_MARKS, origin, isProven }),
      )
      this.#changes.changed(clusterId, id, old === undefined ? 'created' : 'updated')
    }
  }

  /** Of what a member adds nothing is refused for what strangers have: the one of theirs that is over first goes. */
  #makeRoom(
    clusterId: string,
    cluster: Map<string, Affiliate>,
    { origin, writer = NOBODY }: AffiliateUpdate,
    rights: Rights,
  ): Refusal | undefined {
    const isListed = writer.listed !== undefined
    if (isCrowded(cluster, origin, rights, this.#limits, isListed)) return TOO_MANY_FROM_ADDRESS
    if (cluster.size < CLUSTER_MAX_AFFILIATES) return undefined
    const leaving = toMakeRoom(cluster, rights, isListed)
    if (leaving === undefined) return TOO_MANY_AFFILIATES
    this.#remove(clusterId, cluster, leaving)
    return undefined
  }

  #put(
    clusterId: string,
    cluster: Map<string, Affiliate> | undefined,
    old: Affiliate | undefined,
    affiliate: Affiliate,
  ): void {
    if (cluster === undefined) this.#clusters.set(clusterId, new Map([[affiliate.id, affiliate]]))
    else cluster.set(affiliate.id, affiliate)
    if (old === undefined) this.#affiliates += 1
    this.#endpoints += affiliate.endpoints.length - (old?.endpoints.length ?? 0)
  }

  #remove(clusterId: string, cluster: Map<string, Affiliate>, affiliate: Affiliate): void {
    cluster.delete(affiliate.id)
    this.#affiliates -= 1
    this.#endpoints -= affiliate.endpoints.length
    this.#changes.changed(clusterId, affiliate.id, 'deleted')
  }
}

export const refusalOf = (why: UpdateRefusal): Refusal =>
  why === 'endpoints' ? TOO_MANY_ENDPOINTS : UNPROVEN
