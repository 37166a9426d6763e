import type { Instant } from '../../../shared/clock.ts'
import {
  type Affiliate,
  encodeAffiliate,
  type ForeignEndpoint,
  STANDING,
  type Standing,
} from '../../state/affiliate-bytes.ts'

/** An affiliate as it stands in Redis. */
export interface StoredAffiliate extends Affiliate {
  /** Every write makes another one, at random: who expects one knows the whole value. */
  readonly version: string
}

/**
 * The value of an affiliate, in bytes. Whoever reads skips what follows the last endpoint, so that later versions can
 * add something; what they could not skip gets another format, which is left alone by those who do not know it.
 *
 *     0      format, 1
 *     1..13  version, hex digits
 *     14     number of endpoints
 *     15     when the affiliate expires, and when it was announced last: Unix milliseconds, as doubles
 *     31     length of the data, 2 bytes, and the data
 *     then   for each endpoint: when it expires, a double; its length, 1 byte; the endpoint
 *     then   the tail, which values of earlier versions do not have: for each endpoint its standing, 1 byte; flags, 1 byte;
 *            origin, 8 bytes, by which write.lua counts: it is the last there is
 */
const FORMAT = 1
const VERSION_AT = 1
export const VERSION_DIGITS = 13
const COUNT_AT = VERSION_AT + VERSION_DIGITS
const EXPIRES_AT = COUNT_AT + 1
const DATA_AT = EXPIRES_AT + 2 * 8
const DATA_START = DATA_AT + 2
const ENDPOINT_HEAD = 8 + 1
const ORIGIN_BYTES = 8
const TAIL_FIXED = 1 + ORIGIN_BYTES
const HAS_ORIGIN = 0x01
const IS_PROVEN = 0x02

/** `random` is between 0 and 1. */
export const makeVersion = (random: number): string =>
  Math.floor(random * 2 ** (4 * VERSION_DIGITS))
    .toString(16)
    .padStart(VERSION_DIGITS, '0')

/** What stands for an origin that is not known. */
const NO_ORIGIN = Buffer.alloc(ORIGIN_BYTES)

const originBytes = (origin: string): Buffer => Buffer.from(origin, 'hex')

/** How the values end that come from this origin; empty when it is not known. `isOfUnproven` leaves out what a member wrote. */
export function endOfValues(origin: string | undefined, isOfUnproven: boolean): Buffer {
  if (origin === undefined) return Buffer.alloc(0)
  return isOfUnproven ? Buffer.concat([Buffer.of(HAS_ORIGIN), originBytes(origin)]) : originBytes(origin)
}

export function encodeValue(affiliate: Affiliate, version: string): Buffer {
  const { data, endpoints, expiresAt, refreshedAt, origin, isProven } = affiliate
  const length = endpoints.reduce(
    (sum, { bytes }) => sum + ENDPOINT_HEAD + bytes.length + 1,
    DATA_START + data.length + TAIL_FIXED,
  )
  const value = Buffer.allocUnsafe(length)
  value[0] = FORMAT
  value.write(version, VERSION_AT, 'latin1')
  value[COUNT_AT] = endpoints.length
  value.writeDoubleBE(expiresAt, EXPIRES_AT)
  value.writeDoubleBE(refreshedAt ?? Number.NaN, EXPIRES_AT + 8)
  value.writeUInt16BE(data.length, DATA_AT)
  data.copy(value, DATA_START)
  let at = DATA_START + data.length
  for (const { bytes, expiresAt: end } of endpoints) {
    at = value.writeDoubleBE(end, at)
    value[at] = bytes.length
    bytes.copy(value, at + 1)
    at += 1 + bytes.length
  }
  for (const { standing } of endpoints) value[at++] = standing
  value[at++] = (origin === undefined ? 0 : HAS_ORIGIN) | (isProven ? IS_PROVEN : 0)
  ;(origin === undefined ? NO_ORIGIN : originBytes(origin)).copy(value, at)
  return value
}

/** The bytes are copied. Undefined for a format that is not known here, and for what is cut short. */
export function decodeValue(id: string, value: Buffer): StoredAffiliate | undefined {
  if (value[0] !== FORMAT || value.length < DATA_START) return undefined
  const dataEnd = DATA_START + value.readUInt16BE(DATA_AT)
  const count = value[COUNT_AT] as number
  const endpoints: Omit<ForeignEndpoint, 'standing'>[] = []
  let at = dataEnd
  for (let left = count; left > 0; left -= 1) {
    if (at + ENDPOINT_HEAD > value.length) return undefined
    const start = at + ENDPOINT_HEAD
    const end = start + (value[start - 1] as number)
    endpoints.push({ bytes: value.subarray(start, end), expiresAt: value.readDoubleBE(at) })
    at = end
  }
  const hasTail = at !== value.length
  const flagsAt = at + count
  if (hasTail && flagsAt + TAIL_FIXED > value.length) return undefined
  const flags = hasTail ? (value[flagsAt] as number) : 0
  const refreshedAt = value.readDoubleBE(EXPIRES_AT + 8)
  const hasOrigin = (flags & HAS_ORIGIN) !== 0
  return {
    ...encodeAffiliate(
      id,
      value.subarray(DATA_START, dataEnd),
      endpoints.map((endpoint, index) => ({
        ...endpoint,
        standing: hasTail ? (value[at + index] as Standing) : STANDING.owner,
      })),
      value.readDoubleBE(EXPIRES_AT),
      {
        refreshedAt: Number.isNaN(refreshedAt) ? undefined : refreshedAt,
        origin: hasOrigin ? value.toString('hex', flagsAt + 1, flagsAt + TAIL_FIXED) : undefined,
        isProven: (flags & IS_PROVEN) !== 0,
      },
    ),
    version: value.toString('latin1', VERSION_AT, COUNT_AT),
  }
}

/** When a sweep has something to do: the affiliate or one of its endpoints is over. */
export const dueAt = ({ expiresAt, endpoints }: Pick<Affiliate, 'expiresAt' | 'endpoints'>): Instant =>
  endpoints.reduce((first, endpoint) => Math.min(first, endpoint.expiresAt), expiresAt)
