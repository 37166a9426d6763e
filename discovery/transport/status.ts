import type { Refusal } from '../validation/refusal.ts'

/** The status codes of gRPC that this service answers with. */
export const STATUS = {
  OK: 0,
  Canceled: 1,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  Aborted: 10,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
} as const

export type StatusCode = (typeof STATUS)[keyof typeof STATUS]

export interface Status {
  readonly code: StatusCode
  /** Empty when it went well. */
  readonly message: string
}

export const OK: Status = { code: STATUS.OK, message: '' }

const NAMES = new Map<number, string>(Object.entries(STATUS).map(([name, code]) => [code, name]))

/** How metrics and logs spell a code (SPEC 1.10). */
export const statusName = (code: StatusCode): string => NAMES.get(code) as string

/** The one place where our words become gRPC's. A new kind of refusal does not compile until it has a code. */
export function toStatus(refusal: Refusal): Status {
  switch (refusal.kind) {
    case 'invalid':
      return { code: STATUS.InvalidArgument, message: refusal.what }
    case 'full':
      return { code: STATUS.ResourceExhausted, message: FULL[refusal.what] }
    case 'throttled':
      return { code: STATUS.ResourceExhausted, message: 'rate limit exceeds request timeout' }
    case 'crowded':
      return { code: STATUS.ResourceExhausted, message: refusal.what }
    case 'unproven':
      return { code: STATUS.PermissionDenied, message: refusal.what }
    case 'unavailable':
      return { code: STATUS.Unavailable, message: 'the store of the clusters cannot be reached' }
    case 'forbidden':
      return { code: STATUS.PermissionDenied, message: 'this service does not serve this cluster' }
    default:
      return refusal satisfies never
  }
}

/** SPEC 1.3. */
const FULL = {
  affiliates: 'too many affiliates in the cluster',
  endpoints: 'too many endpoints in the affiliate',
} as const

/** grpc-message: UTF-8, percent-encoded but for printable ASCII without the percent sign (gRPC over HTTP/2). */
export const encodeStatusMessage = (message: string): string =>
  message.replace(/[^\x20-\x24\x26-\x7e]/gu, (character) =>
    Array.from(Buffer.from(character), percentEncoded).join(''),
  )

const percentEncoded = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** The trailers that tell of a status. */
export const statusTrailers = ({ code, message }: Status): Record<string, string> =>
  message === ''
    ? { 'grpc-status': `${code}` }
    : { 'grpc-status': `${code}`, 'grpc-message': encodeStatusMessage(message) }

const TIMEOUT_MAX_DIGITS = 8
/** Timers reach no further than 24 days: who would wait longer waits for ever. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1
const ZERO = 0x30

/** grpc-timeout, at most eight digits and a unit, to milliseconds, maybe Infinity; undefined for what is no timeout. */
export function parseTimeout(text: string): number | undefined {
  const timeout = readTimeout(text)
  return timeout !== undefined && timeout > TIMEOUT_MAX_MS ? Infinity : timeout
}

function readTimeout(text: string): number | undefined {
  const digits = text.length - 1
  if (digits < 1 || digits > TIMEOUT_MAX_DIGITS) return undefined
  let value = 0
  for (let at = 0; at < digits; at += 1) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  switch (text[digits]) {
    case 'H':
      return value * 3_600_000
    case 'M':
      return value * 60_000
    case 'S':
      return value * 1000
    case 'm':
      return value
    case 'u':
      return value / 1e3
    case 'n':
      return value / 1e6
    default:
      return undefined
  }
}
