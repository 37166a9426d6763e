import type { Instant } from '../../shared/clock.ts'
import { type Affiliate, type Endpoint, encodeAffiliate, STANDING, type Standing } from './affiliate-bytes.ts'
import { mergeEndpoints } from './endpoints.ts'
import type { Rights, Writer } from './rights.ts'

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
  /** Nobody that is known, by default. */
  readonly writer?: Writer
}

/** Why nothing of an update counts: it names too many endpoints, or would change what a member wrote. */
export type UpdateRefusal = 'endpoints' | 'unproven'

/**
 * The affiliate after the update, or why nothing of the update counts (SPEC 1.4, and S3 of section 9). Data sets the
 * expiration, even to an earlier one; endpoints and repeated announcements only put it off. What a member wrote is changed
 * by members only; a stranger may add endpoints to it, as nodes do that have seen it there, and puts off nothing.
 */
export function updateAffiliate(
  id: string,
  old: Affiliate | undefined,
  update: AffiliateUpdate,
  rights: Rights = 'open',
): Affiliate | UpdateRefusal {
  const hasData = update.data !== undefined && update.data.length > 0
  const isGuarded = rights === 'stranger' && old?.isProven === true
  if (isGuarded && hasData) return 'unproven'
  const endpoints = mergeEndpoints(oldEndpoints(old, hasData && rights === 'member'), {
    endpoints: update.endpoints,
    expiresAt: update.expiresAt,
    standing: standingOf(hasData, rights),
    isGuarded,
  })
  if (endpoints === undefined) return 'endpoints'
  const expiresAt =
    hasData || old === undefined
      ? update.expiresAt
      : isGuarded
        ? old.expiresAt
        : Math.max(old.expiresAt, update.expiresAt)
  const refreshedAt = isGuarded ? old?.refreshedAt : update.receivedAt
  const origin = hasData || old === undefined ? update.origin : old.origin
  const isProven = hasData ? rights === 'member' : old?.isProven === true
  const isSame =
    old !== undefined &&
    areSame(old.endpoints, endpoints) &&
    (!hasData || old.data.equals(update.data as Uint8Array))
  if (isSame) {
    const kept = endpoints as readonly Endpoint[] // no new one among them, so all are owned
    const { id: sameId, data, encoded } = old
    return { id: sameId, data, endpoints: kept, expiresAt, refreshedAt, origin, isProven, encoded }
  }
  const data = hasData ? update.data : old?.data
  return encodeAffiliate(old?.id ?? id, data, endpoints, expiresAt, { refreshedAt, origin, isProven })
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

/** What came with data that nobody had proven is anybody's word once its owner proves who it is. */
function oldEndpoints(old: Affiliate | undefined, isProvenNow: boolean): readonly Endpoint[] {
  if (old === undefined) return NO_ENDPOINTS
  if (!isProvenNow || old.isProven) return old.endpoints
  return old.endpoints.map((endpoint) => ({ ...endpoint, standing: STANDING.others }))
}

function standingOf(hasData: boolean, rights: Rights): Standing {
  if (hasData) return STANDING.owner
  return rights === 'member' ? STANDING.members : STANDING.others
}

/** What is kept of an endpoint that stays is always the same copy. */
const areSame = (old: readonly Endpoint[], merged: readonly { readonly bytes: Uint8Array }[]): boolean =>
  old === merged ||
  (old.length === merged.length && merged.every(({ bytes }, index) => bytes === old[index]?.bytes))
