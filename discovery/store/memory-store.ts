import type { Clock, Instant } from '../../shared/clock.ts'
import { MemoryClaims } from '../limits/claims.ts'
import type { AffiliateUpdate } from '../state/affiliate.ts'
import type { Affiliates, Clusters, Counts } from '../state/clusters.ts'
import type { Writer } from '../state/rights.ts'
import type { Refusal } from '../validation/refusal.ts'
import { clusterHash } from './cluster-hash.ts'
import type { AdmitCluster, ClusterKeyState, ClusterSummary, RunningStore, Soon } from './store.ts'

/** The clusters of this process: all is held, nobody else changes it, and every answer is there at once. */
export class MemoryStore implements RunningStore {
  readonly isUp = true
  readonly #clusters: Clusters
  readonly #clock: Clock
  readonly #claims: MemoryClaims

  constructor(clusters: Clusters, clock: Clock) {
    this.#clusters = clusters
    this.#clock = clock
    this.#claims = new MemoryClaims((clusterId) => clusters.has(clusterId))
  }

  get counts(): Counts {
    return this.#clusters.counts
  }

  now(): Instant {
    return this.#clock.now()
  }

  update(
    clusterId: string,
    affiliateId: string,
    update: AffiliateUpdate,
    admit: AdmitCluster,
  ): Soon<Refusal | undefined> {
    if (!this.#clusters.has(clusterId)) {
      const refusal = admit()
      if (refusal instanceof Promise)
        return refusal.then((late) => late ?? this.#clusters.update(clusterId, affiliateId, update))
      if (refusal !== undefined) return refusal
    }
    return this.#clusters.update(clusterId, affiliateId, update)
  }

  delete(clusterId: string, affiliateId: string, writer?: Writer): boolean | Refusal {
    return this.#clusters.delete(clusterId, affiliateId, writer)
  }

  keyOf(clusterId: string): ClusterKeyState {
    return { key: this.#clusters.keyOf(clusterId), exists: this.#clusters.has(clusterId) }
  }

  list(clusterId: string): Affiliates {
    return this.#clusters.affiliatesOf(clusterId)
  }

  follow(): undefined {}

  held(clusterId: string): Affiliates {
    return this.#clusters.affiliatesOf(clusterId)
  }

  summaries(): readonly ClusterSummary[] {
    const filled = [...this.#clusters.export()].filter(({ affiliates }) => affiliates.size > 0)
    return filled.map(({ id, affiliates }) => ({
      hash: clusterHash(id),
      affiliates: affiliates.size,
      endpoints: [...affiliates.values()].reduce((total, { endpoints }) => total + endpoints.length, 0),
    }))
  }

  affiliatesOf(hash: string): Affiliates {
    const id = this.#idOf(hash)
    return id === undefined ? NOTHING : this.#clusters.affiliatesOf(id)
  }

  forget(hash: string, affiliateId: string | undefined): number {
    const id = this.#idOf(hash)
    if (id === undefined) return 0
    if (affiliateId === undefined) return this.#clusters.deleteCluster(id)
    return this.#clusters.delete(id, affiliateId, 'operator') === true ? 1 : 0
  }

  countAffiliates(): number {
    return this.#clusters.counts.affiliates
  }

  sweep(): Counts {
    const gone = this.#clusters.sweep(this.#clock.now())
    this.#claims.sweep()
    return gone
  }

  claim(origin: string, clusterId: string, most: number): boolean {
    return this.#claims.claim(origin, clusterId, most)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #idOf(hash: string): string | undefined {
    for (const { id } of this.#clusters.export()) if (clusterHash(id) === hash) return id
    return undefined
  }
}

const NOTHING: Affiliates = new Map()
