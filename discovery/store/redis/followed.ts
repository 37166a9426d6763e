import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Affiliates, Change } from '../../state/clusters.ts'
import { TTL_MAX_MS } from '../../validation/limits.ts'
import { type ClusterChange, type EntryId, numberOf, type ToldChange } from './change.ts'
import { decodeValue, type StoredAffiliate } from './value.ts'

/** What Redis holds of a cluster at one moment. */
export interface ReadCluster {
  readonly affiliates: ReadonlyMap<string, StoredAffiliate>
  /** Affiliates whose values a later version wrote: they are there, and more is not known of them. */
  readonly unreadable: ReadonlySet<string>
  readonly last: EntryId
}

/** Told of what becomes of the affiliates of one cluster. */
export type Tell = (affiliateId: string, change: Change) => void

/** A cluster as it is held by those who follow it: what it holds, and up to which change. Knows nothing of Redis. */
export class FollowedCluster {
  readonly #affiliates = new Map<string, StoredAffiliate>()
  readonly #tell: Tell
  #last: EntryId = ''

  constructor(tell: Tell) {
    this.#tell = tell
  }

  get affiliates(): Affiliates {
    return this.#affiliates
  }

  get last(): EntryId {
    return this.#last
  }

  all(): Iterable<StoredAffiliate> {
    return this.#affiliates.values()
  }

  get(affiliateId: string): StoredAffiliate | undefined {
    return this.#affiliates.get(affiliateId)
  }

  /** False when it does not follow what is held: something was missed. */
  told(change: ToldChange): boolean {
    if (numberOf(change.entry) <= numberOf(this.#last)) return true // it was read before it was told
    if (change.follows !== this.#last) return false
    this.apply(change)
    return true
  }

  apply({ entry, affiliateId, value }: ClusterChange): void {
    this.#last = entry
    if (value === undefined) this.#delete(affiliateId)
    else this.#put(affiliateId, decodeValue(affiliateId, value))
  }

  /** A refresh, which is told to nobody, of what is held. */
  refreshed(expected: string, affiliate: StoredAffiliate): void {
    if (this.#affiliates.get(affiliate.id)?.version === expected)
      this.#affiliates.set(affiliate.id, affiliate)
  }

  /** Holds this from now on, and tells the difference. */
  adopt({ affiliates, unreadable, last }: ReadCluster): void {
    this.#last = last
    for (const id of this.#affiliates.keys()) if (!affiliates.has(id) && !unreadable.has(id)) this.#delete(id)
    for (const [id, affiliate] of affiliates) this.#put(id, affiliate)
  }

  #put(id: string, affiliate: StoredAffiliate | undefined): void {
    if (affiliate === undefined) return
    const old = this.#affiliates.get(id)
    this.#affiliates.set(id, affiliate)
    if (old === undefined) this.#tell(id, 'created')
    else if (!old.encoded.equals(affiliate.encoded)) this.#tell(id, 'updated')
  }

  #delete(id: string): void {
    if (this.#affiliates.delete(id)) this.#tell(id, 'deleted')
  }
}

/** What was put back has so long to be refreshed: the longest that nodes may ask for (SPEC 1.2). */
export const PUT_BACK_LIFE: Milliseconds = TTL_MAX_MS

/** What to put back into a Redis that has lost a part of its history: what is held, unless what is there is newer. */
export function toPutBack(
  held: Iterable<StoredAffiliate>,
  there: ReadCluster,
  now: Instant,
): readonly { readonly affiliate: StoredAffiliate; readonly expected: string }[] {
  const missing = []
  const until = now + PUT_BACK_LIFE
  for (const affiliate of held) {
    const other = there.affiliates.get(affiliate.id)
    if (there.unreadable.has(affiliate.id)) continue
    if (other !== undefined && refreshOf(other) >= refreshOf(affiliate)) continue
    missing.push({ affiliate: prolonged(affiliate, until), expected: other?.version ?? '' })
  }
  return missing
}

const refreshOf = ({ refreshedAt }: StoredAffiliate): Instant => refreshedAt ?? -Infinity

/** Refreshes through other replicas are not known here, so that what is held may seem to be over. */
const prolonged = (affiliate: StoredAffiliate, until: Instant): StoredAffiliate => ({
  ...affiliate,
  expiresAt: Math.max(affiliate.expiresAt, until),
  endpoints: affiliate.endpoints.map((endpoint) => ({
    ...endpoint,
    expiresAt: Math.max(endpoint.expiresAt, until),
  })),
})
