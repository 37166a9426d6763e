import type { Refusal } from '../validation/refusal.ts'

/** The status codes of gRPC that this service answers with. */
export const STATUS = {
  OK: 0,
  Canceled: 1,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  Aborted: 10,
  Unimplemented: 12,
  Internal: 13,
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

const UNIT_MILLISECONDS = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 1e-3],
  ['n', 1e-6],
])

/** grpc-timeout, at most eight digits and a unit, to milliseconds; undefined for what is no timeout. */
export function parseTimeout(text: string): number | undefined {
  const unit = UNIT_MILLISECONDS.get(text.slice(-1))
  const digits = text.slice(0, -1)
  return unit !== undefined && /^\d{1,8}$/.test(digits) ? Number(digits) * unit : undefined
}
