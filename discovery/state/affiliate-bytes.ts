import { allocateOwned, type OwnedBytes, ownedPart } from './owned-bytes.ts'

/** An affiliate in the form in which it stands in the messages, and views of its parts in there. */
export interface AffiliateBytes {
  /** Field 1 of a ListResponse or WatchResponse: tag, length and the message Affiliate (SPEC 1.1). */
  readonly encoded: OwnedBytes
  readonly data: OwnedBytes
  readonly endpoints: readonly OwnedBytes[]
}

const AFFILIATE_TAG = 0x0a
const ID_TAG = 0x0a
const DATA_TAG = 0x12
const ENDPOINT_TAG = 0x1a

/**
 * Encodes an affiliate into one exact buffer, which is the only copy of its bytes: every list and every change that
 * tells of it is put together from this. Absent data and empty data are the same.
 */
export function encodeAffiliate(
  id: string,
  data: Uint8Array | undefined,
  endpoints: readonly Uint8Array[],
): AffiliateBytes {
  const idLength = Buffer.byteLength(id)
  const dataLength = data === undefined ? 0 : data.length
  let messageLength = fieldLength(idLength)
  if (dataLength > 0) messageLength += fieldLength(dataLength)
  for (const endpoint of endpoints) messageLength += fieldLength(endpoint.length)

  const encoded = allocateOwned(fieldLength(messageLength))
  let at = writeHead(encoded, 0, AFFILIATE_TAG, messageLength)
  at = writeHead(encoded, at, ID_TAG, idLength)
  at += encoded.write(id, at)
  let ownData = ownedPart(encoded, at, at)
  if (data !== undefined && dataLength > 0) {
    at = writeHead(encoded, at, DATA_TAG, dataLength)
    encoded.set(data, at)
    ownData = ownedPart(encoded, at, at + dataLength)
    at += dataLength
  }
  const ownEndpoints: OwnedBytes[] = []
  for (const endpoint of endpoints) {
    at = writeHead(encoded, at, ENDPOINT_TAG, endpoint.length)
    encoded.set(endpoint, at)
    ownEndpoints.push(ownedPart(encoded, at, at + endpoint.length))
    at += endpoint.length
  }
  return { encoded, data: ownData, endpoints: ownEndpoints }
}

/** Length of a field with a one-byte tag: tag, length and content. */
const fieldLength = (length: number): number => 1 + varintLength(length) + length

const varintLength = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : 3)

function writeHead(into: Uint8Array, at: number, tag: number, length: number): number {
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
