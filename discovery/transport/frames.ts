import type { Frame } from '../subscription/watcher.ts'

/** Length-prefixed message: a byte that says uncompressed, and four of length (gRPC over HTTP/2). */
export const FRAME_HEAD_BYTES = 5

/** WatchResponse.deleted = true. */
const DELETED_FIELD = Uint8Array.of(0x10, 0x01)
const NO_FIELD = new Uint8Array(0)

/**
 * An answer, whole and framed: its encoded fields one after the other, which for a WatchResponse or a ListResponse are
 * the affiliates. Allocated outside the pool: a frame may wait long for a slow reader, and would keep 8 KiB of others'
 * bytes with it.
 */
export function makeFrame(fields: readonly Uint8Array[], deleted: boolean): Frame {
  const flag = deleted ? DELETED_FIELD : NO_FIELD
  let length = flag.length
  for (const field of fields) length += field.length
  const frame = allocateFrame(length)
  let at = FRAME_HEAD_BYTES
  for (const field of fields) {
    frame.set(field, at)
    at += field.length
  }
  frame.set(flag, at)
  return frame
}

export const frameMessage = (message: Uint8Array): Frame => makeFrame([message], false)

function allocateFrame(messageLength: number): Frame {
  const frame = Buffer.allocUnsafeSlow(FRAME_HEAD_BYTES + messageLength)
  frame[0] = 0
  frame.writeUInt32BE(messageLength, 1)
  return frame as Frame
}

/** The answer of AffiliateUpdate and AffiliateDelete: a message without fields. */
export const EMPTY_FRAME: Frame = frameMessage(new Uint8Array(0))
