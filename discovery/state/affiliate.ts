import type { Instant } from '../../shared/clock.ts'
import { type Affiliate, type Endpoint, encodeAffiliate, STANDING } from './affiliate-bytes.ts'
import { mergeEndpoints } from './endpoints.ts'

export type { Affiliate, Endpoint, ForeignEndpoint } from './affiliate-bytes.ts'

/** What an affiliate is told to become. The bytes may be views into a receive buffer. */
export interface AffiliateUpdate {
  /** Absent and empty are the same: what is there stays. */
  readonly data: Uint8Array | undefined
  /** Added to those that are there. */
  readonly endpoints: readonly Uint8Array[]
  /** Of the affiliate and of the endpoints named. */
  readonly expiresAt: Instant
  /** When it came, if anybody wants to know. */
  readonly receivedAt?: Instant
  /** Names the client address that it came from; see `Marks`. */
  readonly origin?: string | undefined
}

/**
 * The affiliate after the update, or undefined when it names too many endpoints: then nothing of the update
 * counts (SPEC 1.4, and S3 of section 9). Data sets the expiration, even to an earlier one; endpoints and repeated
 * announcements only put it off.
 */
export function updateAffiliate(
  id: string,
  old: Affiliate | undefined,
  update: AffiliateUpdate,
): Affiliate | undefined {
  const hasData = update.data !== undefined && update.data.length > 0
  const endpoints = mergeEndpoints(old?.endpoints ?? NO_ENDPOINTS, {
    endpoints: update.endpoints,
    expiresAt: update.expiresAt,
    standing: hasData ? STANDING.owner : STANDING.others,
  })
  if (endpoints === undefined) return undefined
  const expiresAt =
    hasData || old === undefined ? update.expiresAt : Math.max(old.expiresAt, update.expiresAt)
  const refreshedAt = update.receivedAt
  const origin = hasData || old === undefined ? update.origin : old.origin
  const isSame =
    old !== undefined &&
    areSame(old.endpoints, endpoints) &&
    (!hasData || old.data.equals(update.data as Uint8Array))
  if (isSame) {
    const kept = endpoints as readonly Endpoint[] // no new one among them, so all are owned
    const { id: sameId, data, encoded } = old
    return { id: sameId, data, endpoints: kept, expiresAt, refreshedAt, origin, encoded }
  }
  const data = hasData ? update.data : old?.data
  return encodeAffiliate(old?.id ?? id, data, endpoints, expiresAt, { refreshedAt, origin })
}

/**
 * What is left at `now`: undefined when the affiliate expired, the same value when nothing did. The affiliate lives
 * up to and including its expiration; an endpoint is gone at its own (SPEC 1.4).
 */
export function sweepAffiliate(affiliate: Affiliate, now: Instant): Affiliate | undefined {
  if (affiliate.expiresAt < now) return undefined
  if (affiliate.endpoints.every((endpoint) => endpoint.expiresAt > now)) return affiliate
  const left = affiliate.endpoints.filter((endpoint) => endpoint.expiresAt > now)
  return encodeAffiliate(affiliate.id, affiliate.data, left, affiliate.expiresAt, affiliate)
}

const NO_ENDPOINTS: readonly Endpoint[] = []

/** What is kept of an endpoint that stays is always the same copy. */
const areSame = (old: readonly Endpoint[], merged: readonly { readonly bytes: Uint8Array }[]): boolean =>
  old === merged ||
  (old.length === merged.length && merged.every(({ bytes }, index) => bytes === old[index]?.bytes))
