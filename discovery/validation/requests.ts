import type { Milliseconds } from '../../shared/clock.ts'
import {
  AFFILIATE_DATA_MAX_BYTES,
  AFFILIATE_ID_MAX_BYTES,
  CLUSTER_ID_MAX_BYTES,
  ENDPOINT_MAX_BYTES,
  TTL_MAX_MS,
} from './limits.ts'
import { invalid, type Refusal } from './refusal.ts'

/** Any request of the protocol as it was sent: the methods share their fields (SPEC 1.1). Bytes may be views. */
export interface Request {
  /** Undefined when it is no UTF-8; empty when it is not there. */
  readonly clusterId: string | undefined
  /** The same. In a HelloRequest the client's version stands in its place. */
  readonly affiliateId: string | undefined
  readonly data: Uint8Array | undefined
  readonly endpoints: readonly Uint8Array[]
  /** Zero, missing and negative are accepted; what is out of range is too large (SPEC 1.3). */
  readonly ttl: Milliseconds
}

/** A request whose ids are known to be good. */
export interface CheckedRequest extends Request {
  readonly clusterId: string
  readonly affiliateId: string
}

const CLUSTER_ID_EMPTY = invalid("cluster ID can't be empty")
const CLUSTER_ID_LONG = invalid('cluster ID is too long')
const CLUSTER_ID_BROKEN = invalid('cluster ID is not valid UTF-8')
const AFFILIATE_ID_EMPTY = invalid("affiliate ID can't be empty")
const AFFILIATE_ID_LONG = invalid('affiliate ID is too long')
const AFFILIATE_ID_BROKEN = invalid('affiliate ID is not valid UTF-8')
const VERSION_BROKEN = invalid('client version is not valid UTF-8')
const DATA_BIG = invalid('affiliate data is too big')
const ENDPOINT_BIG = invalid('affiliate endpoint is too big')
const ENDPOINT_EMPTY = invalid("affiliate endpoint can't be empty")
const TTL_LARGE = invalid('ttl is too large')

/** For all methods. Here and below the order of checks is that of SPEC 1.3. */
export function refuseCluster({ clusterId }: Request): Refusal | undefined {
  if (clusterId === undefined) return CLUSTER_ID_BROKEN
  if (clusterId === '') return CLUSTER_ID_EMPTY
  return isLonger(clusterId, CLUSTER_ID_MAX_BYTES) ? CLUSTER_ID_LONG : undefined
}

/** For AffiliateUpdate and AffiliateDelete. */
export function refuseAffiliate({ affiliateId }: Request): Refusal | undefined {
  if (affiliateId === undefined) return AFFILIATE_ID_BROKEN
  if (affiliateId === '') return AFFILIATE_ID_EMPTY
  return isLonger(affiliateId, AFFILIATE_ID_MAX_BYTES) ? AFFILIATE_ID_LONG : undefined
}

/** For Hello. */
export const refuseVersion = ({ affiliateId }: Request): Refusal | undefined =>
  affiliateId === undefined ? VERSION_BROKEN : undefined

/** For AffiliateUpdate. */
export function refuseUpdate({ data, endpoints, ttl }: Request): Refusal | undefined {
  if (data !== undefined && data.length > AFFILIATE_DATA_MAX_BYTES) return DATA_BIG
  for (const endpoint of endpoints) {
    if (endpoint.length > ENDPOINT_MAX_BYTES) return ENDPOINT_BIG
    // SPEC 9, S12: an endpoint of no bytes crashes every reference client of the cluster.
    if (endpoint.length === 0) return ENDPOINT_EMPTY
  }
  return ttl > TTL_MAX_MS ? TTL_LARGE : undefined
}

/** No character of UTF-16 takes more bytes of UTF-8. */
const UTF8_MAX_BYTES_PER_UNIT = 3

function isLonger(text: string, maxBytes: number): boolean {
  if (text.length * UTF8_MAX_BYTES_PER_UNIT <= maxBytes) return false
  return text.length > maxBytes || Buffer.byteLength(text) > maxBytes
}
