import type { Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { StatusCode } from './status.ts'

export type MethodName = 'Hello' | 'AffiliateUpdate' | 'AffiliateDelete' | 'List' | 'Watch'

/** Every call that is counted: those of the service, and the questions about its health. */
export type ObservedMethod = MethodName | 'Health/Check' | 'Health/Watch'

/** One call that has ended, for the log and the histogram. What was not known is undefined. */
export interface FinishedCall {
  readonly method: ObservedMethod
  readonly code: StatusCode
  /** Empty when it went well. */
  readonly message: string
  readonly duration: Milliseconds
  /** Of that, the time that it waited for its turn (SPEC 1.7): part of the log's duration, not of the histogram's. */
  readonly throttled: Milliseconds
  readonly address: Address | undefined
  readonly clusterId: string | undefined
  readonly affiliateId: string | undefined
  readonly clientVersion: string | undefined
}

/**
 * What happens to calls, for whoever counts and logs. Called on the hot path: it must be cheap, must not throw, and must
 * keep nothing of what it is given.
 */
export interface CallObserver {
  started(method: ObservedMethod): void
  messageReceived(method: ObservedMethod): void
  /** `bytes` is the message with its frame. */
  messageSent(method: ObservedMethod, bytes: number): void
  /** Before validation (SPEC 1.6). */
  hello(clientVersion: string): void
  finished(call: FinishedCall): void
}
