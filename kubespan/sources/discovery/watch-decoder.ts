import type { SealedAffiliate, WatchMessage } from './table.ts'

/** SPEC 1.2: what a service may hold of one cluster, and so the most that an honest one has to say. */
export const MESSAGE_LIMITS = {
  affiliates: 1024,
  /** A service may gather what was deleted since it spoke last. */
  deletions: 4096,
  endpoints: 64,
  idBytes: 256,
  dataBytes: 2048,
  endpointBytes: 32,
} as const

/** 1024 affiliates with 64 endpoints are 4.6 MB; what is longer is not even received. */
export const WATCH_MESSAGE_MAX_BYTES = 8 << 20

/** A service has said what none that keeps to the protocol says: asking again soon brings the same. */
export class UnfitAnswer extends Error {
  override readonly name = 'UnfitAnswer'
}

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A WatchResponse out of its bytes (SPEC 1.1), of which the parts are copies. Counts while it reads: a few bytes can say millions of empty
 * affiliates, and each would cost an object. What is too long for the protocol is passed over: affiliates with such ids or data,
 * such endpoints, and endpoints after the 64th.
 *
 * Of affiliates with one id the last counts.
 *
 * @throws {UnfitAnswer} for more affiliates than a cluster has, and for what is no such message
 */
export function decodeWatchMessage(bytes: Uint8Array): WatchMessage {
  const affiliates = new Map<string, SealedAffiliate>()
  let deleted = false
  let count = 0
  const fields = new FieldReader(bytes)
  while (fields.next()) {
    if (fields.number === 1 && fields.isBytes) {
      count += 1
      if (count > MESSAGE_LIMITS.deletions) throw tooMany(MESSAGE_LIMITS.deletions)
      const affiliate = decodeAffiliate(bytes.subarray(fields.start, fields.end))
      if (affiliate !== undefined) affiliates.set(affiliate.id, affiliate)
    } else if (fields.number === 2 && !fields.isBytes) deleted = fields.value !== 0
  }
  if (!deleted && count > MESSAGE_LIMITS.affiliates) throw tooMany(MESSAGE_LIMITS.affiliates)
  return { affiliates: [...affiliates.values()], deleted, size: bytes.length }
}

const tooMany = (most: number): UnfitAnswer =>
  new UnfitAnswer(`the service tells of more than ${most} nodes at once`)

function decodeAffiliate(bytes: Uint8Array): SealedAffiliate | undefined {
  const { idBytes, dataBytes, endpointBytes, endpoints: endpointsMax } = MESSAGE_LIMITS
  let id: Uint8Array = NOTHING
  let data: Uint8Array = NOTHING
  const endpoints: Uint8Array[] = []
  const fields = new FieldReader(bytes)
  while (fields.next()) {
    if (!fields.isBytes) continue
    const value = bytes.subarray(fields.start, fields.end)
    if (fields.number === 1) id = value
    else if (fields.number === 2) data = value
    else if (fields.number === 3 && value.length <= endpointBytes && endpoints.length < endpointsMax)
      endpoints.push(Uint8Array.from(value))
  }
  if (id.length === 0 || id.length > idBytes || data.length > dataBytes) return undefined
  const name = textOf(id)
  return name === undefined ? undefined : { id: name, data: Uint8Array.from(data), endpoints }
}

const NOTHING = new Uint8Array()

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return text.decode(bytes)
  } catch {
    return undefined
  }
}

const VARINT = 0
const LENGTH_DELIMITED = 2
/** Of the types that have one. Groups are of a time before this protocol. */
const FIXED_LENGTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 }

/** Walks over the fields of a message without making anything of them. */
class FieldReader {
  readonly #bytes: Uint8Array
  #at = 0
  number = 0
  isBytes = false
  /** Of what is not bytes; only whether it is 0 is exact. */
  value = 0
  start = 0
  end = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** False at the end. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false
    const tag = this.#varint()
    this.number = Math.floor(tag / 8)
    const type = tag % 8
    this.isBytes = type === LENGTH_DELIMITED
    this.value = 0
    if (type === VARINT) this.value = this.#varint()
    else {
      const length = this.isBytes ? this.#varint() : (FIXED_LENGTHS[type] ?? Infinity)
      if (length > this.#bytes.length - this.#at) throw noMessage()
      this.start = this.#at
      this.#at += length
      this.end = this.#at
    }
    return true
  }

  #varint(): number {
    let value = 0
    for (let shift = 1; shift < 2 ** 70; shift *= 128) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) break
      this.#at += 1
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    throw noMessage()
  }
}

const noMessage = (): UnfitAnswer => new UnfitAnswer('the service sends what is no message of the protocol')
