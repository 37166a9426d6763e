import type { Instant } from '../../shared/clock.ts'
import { AFFILIATE_MAX_ENDPOINTS } from '../validation/limits.ts'
import { type Affiliate, type Endpoint, encodeAffiliate, type ForeignEndpoint } from './affiliate-bytes.ts'

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
}

/**
 * The affiliate after the update, or undefined when it would have too many endpoints: then nothing of the update
 * counts (SPEC 1.4, and S3 of section 9). Data sets the expiration, even to an earlier one; endpoints and repeated
 * announcements only put it off.
 */
export function updateAffiliate(
  id: string,
  old: Affiliate | undefined,
  update: AffiliateUpdate,
): Affiliate | undefined {
  const hasData = update.data !== undefined && update.data.length > 0
  const endpoints = mergeEndpoints(old?.endpoints ?? NO_ENDPOINTS, update)
  if (endpoints === undefined) return undefined
  const expiresAt =
    hasData || old === undefined ? update.expiresAt : Math.max(old.expiresAt, update.expiresAt)
  const isSame =
    old !== undefined &&
    old.endpoints.length === endpoints.length &&
    (!hasData || old.data.equals(update.data as Uint8Array))
  if (isSame) {
    const kept = endpoints as readonly Endpoint[] // no new one among them, so all are owned
    const { id: sameId, data, encoded } = old
    return { id: sameId, data, endpoints: kept, expiresAt, refreshedAt: update.receivedAt, encoded }
  }
  const data = hasData ? update.data : old?.data
  return encodeAffiliate(old?.id ?? id, data, endpoints, expiresAt, update.receivedAt)
}

/**
 * What is left at `now`: undefined when the affiliate expired, the same value when nothing did. The affiliate lives
 * up to and including its expiration; an endpoint is gone at its own (SPEC 1.4).
 */
export function sweepAffiliate(affiliate: Affiliate, now: Instant): Affiliate | undefined {
  if (affiliate.expiresAt < now) return undefined
  if (affiliate.endpoints.every((endpoint) => endpoint.expiresAt > now)) return affiliate
  const left = affiliate.endpoints.filter((endpoint) => endpoint.expiresAt > now)
  const { id, data, expiresAt, refreshedAt } = affiliate
  return encodeAffiliate(id, data, left, expiresAt, refreshedAt)
}

const NO_ENDPOINTS: readonly Endpoint[] = []

/** The endpoints there are, put off where the update names them, then the new ones; undefined when those are too many. */
function mergeEndpoints(
  old: readonly Endpoint[],
  { endpoints, expiresAt }: AffiliateUpdate,
): readonly ForeignEndpoint[] | undefined {
  if (endpoints.length === 0) return old
  const merged: ForeignEndpoint[] = [...old]
  for (let index = 0; index < endpoints.length; index += 1) {
    const bytes = endpoints[index] as Uint8Array
    const known = findEndpoint(merged, bytes, index)
    if (known !== -1) {
      const { bytes: same, expiresAt: was } = merged[known] as ForeignEndpoint
      if (was < expiresAt) merged[known] = { bytes: same, expiresAt }
    } else {
      if (merged.length >= AFFILIATE_MAX_ENDPOINTS) return undefined
      merged.push({ bytes, expiresAt })
    }
  }
  return merged
}

/** Nodes announce their endpoints in the same order again and again, so the place in the update is the first guess. */
function findEndpoint(endpoints: readonly ForeignEndpoint[], bytes: Uint8Array, guess: number): number {
  const guessed = endpoints[guess]
  if (guessed !== undefined && sameBytes(guessed.bytes, bytes)) return guess
  return endpoints.findIndex((endpoint) => sameBytes(endpoint.bytes, bytes))
}

/** Endpoints are so short that a loop beats a call into native code. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false
  return true
}
