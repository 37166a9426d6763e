import type { Instant } from '../../shared/clock.ts'
import { allocateOwned, type OwnedBytes, ownedPart } from './owned-bytes.ts'

/**
 * Whose word an endpoint is. What comes with the data of a record is its owner's; what comes without is of somebody who has
 * seen the node there, a member with proof or anybody. Where there is no room for all, the higher stays.
 */
export const STANDING = { others: 0, members: 1, owner: 2 } as const
export type Standing = (typeof STANDING)[keyof typeof STANDING]

export interface Endpoint {
  /** Ciphertext to us. */
  readonly bytes: OwnedBytes
  readonly expiresAt: Instant
  readonly standing: Standing
}

/** What is known of how an affiliate came here. Clients do not see it. */
export interface Marks {
  /** When it was last announced; undefined for one that came out of a snapshot, which does not say. */
  readonly refreshedAt: Instant | undefined
  /** Names the client address that its data came from last, to count by; undefined where it is not known. */
  readonly origin: string | undefined
  /** Whether its data came from a member, with proof. */
  readonly isProven: boolean
}

/** What a node says of itself, as the service keeps it. A value: a change makes a new one. */
export interface Affiliate extends Marks {
  readonly id: string
  /** Ciphertext to us; empty when there is none. */
  readonly data: OwnedBytes
  /** In the order in which they came. */
  readonly endpoints: readonly Endpoint[]
  readonly expiresAt: Instant
  /**
   * Field 1 of a ListResponse or WatchResponse (SPEC 1.1): tag, length and the message Affiliate; data and endpoints are
   * views of it. Two values with the same one differ in times only.
   */
  readonly encoded: OwnedBytes
}

/** An endpoint whose bytes belong to somebody else. */
export interface ForeignEndpoint {
  readonly bytes: Uint8Array
  readonly expiresAt: Instant
  readonly standing: Standing
}

export const NO_MARKS: Marks = { refreshedAt: undefined, origin: undefined, isProven: false }

const AFFILIATE_TAG = 0x0a
const ID_TAG = 0x0a
const DATA_TAG = 0x12
const ENDPOINT_TAG = 0x1a

/**
 * Makes an affiliate of parts that belong to others. They are copied into one exact buffer, which is the only copy:
 * every list and every change that tells of it is put together from this. Absent data and empty data are the same.
 */
export function encodeAffiliate(
  id: string,
  data: Uint8Array | undefined,
  endpoints: readonly ForeignEndpoint[],
  expiresAt: Instant,
  { refreshedAt, origin, isProven }: Marks = NO_MARKS,
): Affiliate {
  const idLength = Buffer.byteLength(id)
  const dataLength = data === undefined ? 0 : data.length
  let messageLength = fieldLength(idLength)
  if (dataLength > 0) messageLength += fieldLength(dataLength)
  for (const { bytes } of endpoints) messageLength += fieldLength(bytes.length)

  const encoded = allocateOwned(fieldLength(messageLength))
  let at = writeHead(encoded, 0, AFFILIATE_TAG, messageLength)
  at = writeHead(encoded, at, ID_TAG, idLength)
  at += encoded.write(id, at)
  if (dataLength > 0) at = writeHead(encoded, at, DATA_TAG, dataLength)
  const ownData = ownedPart(encoded, at, at + dataLength)
  if (data !== undefined) ownData.set(data)
  at += dataLength
  const ownEndpoints: Endpoint[] = []
  for (const { bytes, expiresAt: end, standing } of endpoints) {
    at = writeHead(encoded, at, ENDPOINT_TAG, bytes.length)
    const own = ownedPart(encoded, at, at + bytes.length)
    own.set(bytes)
    ownEndpoints.push({ bytes: own, expiresAt: end, standing })
    at += bytes.length
  }
  return { id, data: ownData, endpoints: ownEndpoints, expiresAt, refreshedAt, origin, isProven, encoded }
}

/** Length of a field with a one-byte tag: tag, length and content. */
export const fieldLength = (length: number): number => 1 + varintLength(length) + length

const varintLength = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : 3)

/** Writes tag and length of a field, and says where its content begins. */
export function writeHead(into: Uint8Array, at: number, tag: number, length: number): number {
  let position = at
  into[position++] = tag
  let rest = length
  while (rest >= 0x80) {
    into[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[position++] = rest
  return position
}
