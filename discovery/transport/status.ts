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
  readonly message: string
}

/** How metrics and logs spell a code (SPEC 1.10). */
export const statusName = (code: StatusCode): string =>
  Object.entries(STATUS).find(([, value]) => value === code)?.[0] ?? 'Unknown'

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
    [...new TextEncoder().encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )

/** grpc-timeout to milliseconds; undefined for what is no timeout. */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * (UNIT_MILLISECONDS[match[2] as keyof typeof UNIT_MILLISECONDS] ?? Number.NaN)
}

const UNIT_MILLISECONDS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 } as const
