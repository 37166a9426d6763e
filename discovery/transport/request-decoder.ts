import { isUtf8 } from 'node:buffer'
import type { Request } from '../validation/requests.ts'

const CLUSTER_ID = 0x0a
const AFFILIATE_ID = 0x12
const DATA = 0x1a
const ENDPOINTS = 0x22
const TTL = 0x2a
const TTL_SECONDS = 0x08
const TTL_NANOS = 0x10

const WIRE_TYPE_BITS = 0x07
const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const GROUP_START = 3
const GROUP_END = 4
const FIXED32 = 5

const TAG_MAX = 0xffff_ffff
const VARINT_MAX_BYTES = 10
/** Nobody nests deeper in good faith. */
const GROUP_MAX_DEPTH = 100

const NOTHING: readonly Uint8Array[] = []

/**
 * Reads any request of the protocol, from `start` to the end of `bytes`: they share their field numbers (SPEC 1.1).
 * Byte fields are views. Written by hand because it runs for every call and takes a fraction of the time of a general
 * decoder; a property test compares the two. Undefined for what is no protobuf message.
 */
export function decodeRequest(bytes: Buffer, start = 0): Request | undefined {
  const cursor = new Cursor(bytes, start, bytes.length)
  let clusterId: string | undefined = ''
  let affiliateId: string | undefined = ''
  let data: Uint8Array | undefined
  let endpoints: Uint8Array[] | undefined
  const ttl: Duration = { seconds: 0, nanos: 0 }
  while (cursor.at < cursor.end) {
    const tag = cursor.varint()
    switch (tag) {
      case CLUSTER_ID:
        clusterId = cursor.text()
        break
      case AFFILIATE_ID:
        affiliateId = cursor.text()
        break
      case DATA:
        data = cursor.view()
        break
      case ENDPOINTS:
        if (endpoints === undefined) endpoints = [cursor.view()]
        else endpoints.push(cursor.view())
        break
      case TTL:
        readDuration(cursor, ttl)
        break
      default:
        cursor.skip(tag)
    }
    if (cursor.isBroken) return undefined
  }
  return {
    clusterId,
    affiliateId,
    data,
    endpoints: endpoints ?? NOTHING,
    ttl: ttl.seconds * 1000 + ttl.nanos / 1e6,
  }
}

interface Duration {
  seconds: number
  nanos: number
}

/** google.protobuf.Duration: what is there replaces what was there before, as protobuf wants it. */
function readDuration(cursor: Cursor, into: Duration): void {
  const { end } = cursor
  const inner = cursor.length()
  if (cursor.isBroken) return
  cursor.end = cursor.at + inner
  while (cursor.at < cursor.end && !cursor.isBroken) {
    const tag = cursor.varint()
    if (tag === TTL_SECONDS) into.seconds = cursor.int64()
    else if (tag === TTL_NANOS) into.nanos = cursor.int64() | 0
    else cursor.skip(tag)
  }
  cursor.end = end
}

/** A place in a message. After anything that is no protobuf it is broken, and what it returns means nothing. */
class Cursor {
  readonly bytes: Buffer
  at: number
  end: number
  isBroken = false

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Unsigned; exact up to 2^53, which is more than any tag or length that can be right. */
  varint(): number {
    const { bytes, end } = this
    if (this.at < end) {
      const first = bytes[this.at] as number
      if (first < 0x80) {
        this.at += 1
        return first
      }
    }
    let value = 0
    let factor = 1
    for (let count = 0; count < VARINT_MAX_BYTES && this.at < end; count += 1) {
      const byte = bytes[this.at++] as number
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 0x80
    }
    return this.#break()
  }

  /** Signed; beyond 2^53 only nearly right, which is good enough for what is too large anyway. */
  int64(): number {
    const start = this.at
    const value = this.varint()
    if (value < Number.MAX_SAFE_INTEGER || this.isBroken) return value
    let exact = 0n
    for (let at = this.at - 1; at >= start; at -= 1)
      exact = (exact << 7n) | BigInt((this.bytes[at] as number) & 0x7f)
    return Number(BigInt.asIntN(64, exact))
  }

  /** Of a length-delimited field, all of which is there. */
  length(): number {
    const length = this.varint()
    return length <= this.end - this.at ? length : this.#break()
  }

  view(): Uint8Array {
    const length = this.length()
    const view = this.bytes.subarray(this.at, this.at + length)
    this.at += length
    return view
  }

  /** Undefined for what is no UTF-8 (SPEC 9, S17). */
  text(): string | undefined {
    const { bytes } = this
    const length = this.length()
    const from = this.at
    const to = from + length
    this.at = to
    for (let index = from; index < to; index += 1)
      if ((bytes[index] as number) >= 0x80)
        return isUtf8(bytes.subarray(from, to)) ? bytes.toString('utf8', from, to) : undefined
    return bytes.toString('latin1', from, to)
  }

  skip(tag: number, depth = 0): void {
    if (tag <= WIRE_TYPE_BITS || tag > TAG_MAX) this.#break()
    switch (tag & WIRE_TYPE_BITS) {
      case VARINT:
        this.varint()
        return
      case FIXED64:
        return this.#advance(8)
      case LENGTH_DELIMITED:
        return this.#advance(this.length())
      case FIXED32:
        return this.#advance(4)
      case GROUP_START:
        return this.#skipGroup(tag, depth + 1)
      default:
        this.#break()
    }
  }

  #skipGroup(start: number, depth: number): void {
    while (depth < GROUP_MAX_DEPTH && !this.isBroken) {
      const tag = this.varint()
      if (tag === start + GROUP_END - GROUP_START) return
      this.skip(tag, depth)
    }
    this.#break()
  }

  #advance(count: number): void {
    if (count <= this.end - this.at) this.at += count
    else this.#break()
  }

  #break(): number {
    this.isBroken = true
    return 0
  }
}
