import type { Frame } from '../subscription/hub.ts'

/** Length-prefixed message: a byte that says uncompressed, and four of length (gRPC over HTTP/2). */
export const FRAME_HEAD_BYTES = 5

/** WatchResponse.deleted = true. */
const DELETED_FIELD = Uint8Array.of(0x10, 0x01)

/**
 * A WatchResponse or ListResponse, whole and framed: both are encoded affiliates one after the other. Allocated outside
 * the pool: a frame may wait long for a slow reader, and would keep 8 KiB of others' bytes with it.
 */
export function makeFrame(elements: readonly Uint8Array[], deleted: boolean): Frame {
  let length = deleted ? DELETED_FIELD.length : 0
  for (const element of elements) length += element.length
  const frame = newFrame(length)
  let at = FRAME_HEAD_BYTES
  for (const element of elements) {
    frame.set(element, at)
    at += element.length
  }
  if (deleted) frame.set(DELETED_FIELD, at)
  return frame as Uint8Array as Frame
}

export function frameMessage(message: Uint8Array): Frame {
  const frame = newFrame(message.length)
  frame.set(message, FRAME_HEAD_BYTES)
  return frame as Uint8Array as Frame
}

function newFrame(length: number): Buffer {
  const frame = Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES + length)
  frame[0] = 0
  frame.writeUInt32BE(length, 1)
  return frame
}

/** The answer of AffiliateUpdate and AffiliateDelete: a message without fields. */
export const EMPTY_FRAME: Frame = frameMessage(new Uint8Array(0))
