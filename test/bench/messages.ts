import { randomBytes } from 'node:crypto'
import { create, toBinary } from '@bufbuild/protobuf'
import {
  AffiliateDeleteRequestSchema,
  AffiliateUpdateRequestSchema,
  HelloRequestSchema,
  ListRequestSchema,
} from '../../proto/gen/cluster_pb.ts'

/** The message with gRPC's head before it. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(5 + message.length)
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, 5)
  return framed
}

/** Of List and Watch. */
export const clusterFrame = (clusterId: string): Buffer =>
  frame(toBinary(ListRequestSchema, create(ListRequestSchema, { clusterId })))

export const helloFrame = (clusterId: string): Buffer =>
  frame(toBinary(HelloRequestSchema, create(HelloRequestSchema, { clusterId, clientVersion: 'v1.12.0' })))

export const deleteFrame = (clusterId: string, affiliateId: string): Buffer =>
  frame(
    toBinary(AffiliateDeleteRequestSchema, create(AffiliateDeleteRequestSchema, { clusterId, affiliateId })),
  )

export interface UpdateFields {
  readonly clusterId: string
  readonly affiliateId: string
  readonly data: Uint8Array
  readonly endpoints?: readonly Uint8Array[]
  readonly ttlSeconds: number
}

export const updateFrame = ({
  clusterId,
  affiliateId,
  data,
  endpoints = [],
  ttlSeconds,
}: UpdateFields): Buffer =>
  frame(
    toBinary(
      AffiliateUpdateRequestSchema,
      create(AffiliateUpdateRequestSchema, {
        clusterId,
        affiliateId,
        affiliateData: data,
        affiliateEndpoints: [...endpoints],
        ttl: { seconds: BigInt(ttlSeconds) },
      }),
    ),
  )

const DATA_BYTES = 400
const ENDPOINT_BYTES = [16, 32, 16, 32]
const TTL_SECONDS = 1500
/** Every datum begins with the affiliate's index, its version, and when it was sent. */
const STAMP_BYTES = 20

/** An update as nodes send them, whose version can be changed in place. */
export class StampedUpdate {
  readonly frame: Buffer
  readonly #index: number
  readonly #at: number

  constructor(clusterId: string, index: number) {
    const data = randomBytes(DATA_BYTES)
    this.#index = index
    this.frame = updateFrame({
      clusterId,
      affiliateId: `affiliate-${String(index).padStart(32, '0')}`,
      data,
      endpoints: ENDPOINT_BYTES.map((bytes) => randomBytes(bytes)),
      ttlSeconds: TTL_SECONDS,
    })
    this.#at = this.frame.indexOf(data)
    this.stamp(1)
  }

  stamp(version: number): Buffer {
    this.frame.writeUInt32BE(this.#index, this.#at)
    this.frame.writeUInt32BE(version, this.#at + 4)
    this.frame.writeDoubleBE(performance.now(), this.#at + 8)
    return this.frame
  }
}

/** Tells of each affiliate with data in a WatchResponse. @throws RangeError when it is none */
export function readStamps(
  message: Buffer,
  tell: (index: number, version: number, sentAt: number) => void,
): void {
  for (let at = 0; at < message.length; ) {
    const tag = message[at]
    const [length, start] = readLength(message, at + 1)
    if (tag !== AFFILIATE_TAG) {
      at = start // `deleted`: its value was read as a length
      continue
    }
    const end = start + length
    for (let inner = start; inner < end; ) {
      const [size, from] = readLength(message, inner + 1)
      if (message[inner] === DATA_TAG && size >= STAMP_BYTES)
        tell(message.readUInt32BE(from), message.readUInt32BE(from + 4), message.readDoubleBE(from + 8))
      inner = from + size
    }
    at = end
  }
}

const AFFILIATE_TAG = 0x0a
const DATA_TAG = 0x12

function readLength(bytes: Buffer, at: number): [length: number, next: number] {
  let length = 0
  let next = at
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes.readUInt8(next)
    next += 1
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return [length, next]
  }
  throw new RangeError('no length')
}
