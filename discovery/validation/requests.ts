import {
  AFFILIATE_DATA_MAX_BYTES,
  AFFILIATE_ID_MAX_BYTES,
  CLUSTER_ID_MAX_BYTES,
  ENDPOINT_MAX_BYTES,
  TTL_MAX_MS,
} from './limits.ts'
import { invalid, type Refusal } from './refusal.ts'

/**
 * The fields of any request of the protocol, as far as they were sent. Byte fields are views into the received
 * message. Ids are raw bytes until they are known to be short enough and UTF-8.
 */
export interface RequestFields {
  readonly clusterId: Uint8Array
  readonly affiliateId: Uint8Array
  /** Absent and empty are the same (SPEC 1.4). */
  readonly data: Uint8Array
  readonly endpoints: readonly Uint8Array[]
  /** Milliseconds; zero, missing and negative are accepted, out-of-range values saturate (SPEC 1.3). */
  readonly ttl: number
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text, or undefined when it is no UTF-8 (SPEC 9, S17: one such id would break List and Watch for a whole cluster). */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** SPEC 1.3, in its order; undefined when there is nothing to refuse. */
export function refuseClusterId(clusterId: Uint8Array): Refusal | undefined {
  if (clusterId.length === 0) return invalid("cluster ID can't be empty")
  if (clusterId.length > CLUSTER_ID_MAX_BYTES) return invalid('cluster ID is too long')
  return undefined
}

export function refuseAffiliateId(affiliateId: Uint8Array): Refusal | undefined {
  if (affiliateId.length === 0) return invalid("affiliate ID can't be empty")
  if (affiliateId.length > AFFILIATE_ID_MAX_BYTES) return invalid('affiliate ID is too long')
  return undefined
}

export function refuseUpdate({ data, endpoints, ttl }: RequestFields): Refusal | undefined {
  if (data.length > AFFILIATE_DATA_MAX_BYTES) return invalid('affiliate data is too big')
  for (const endpoint of endpoints) {
    if (endpoint.length > ENDPOINT_MAX_BYTES) return invalid('affiliate endpoint is too big')
    // S12: an endpoint of no bytes crashes every reference client of the cluster.
    if (endpoint.length === 0) return invalid("affiliate endpoint can't be empty")
  }
  if (ttl > TTL_MAX_MS) return invalid('ttl is too large')
  return undefined
}
