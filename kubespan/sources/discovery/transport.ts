import type { Milliseconds } from '../../../shared/clock.ts'
import type { ProofAnswer } from '../../model/proof-answer.ts'
import type { ServiceEndpoint } from '../../model/service-endpoint.ts'
import type { WatchMessage } from './table.ts'

export interface HelloAnswer {
  /** Our address as the service sees it; empty when it does not say. */
  readonly clientIp: Uint8Array
  /** `host:port` of the service that we should speak to instead. */
  readonly redirect: string | undefined
  /** What it made of our proof of membership. */
  readonly proof?: ProofAnswer | undefined
}

export interface UpdateCall {
  readonly affiliateId: string
  /** Absent for an update that only adds endpoints to somebody's record. */
  readonly data: Uint8Array | undefined
  readonly endpoints: readonly Uint8Array[]
  readonly ttl: Milliseconds
}

/** The four calls of a discovery service that the client makes, on one connection and for one cluster. */
export interface DiscoveryTransport {
  hello(signal: AbortSignal): Promise<HelloAnswer>
  update(call: UpdateCall, signal: AbortSignal): Promise<void>
  remove(affiliateId: string, signal: AbortSignal): Promise<void>
  /** Ends quietly when the service ends the stream; throws when it breaks. */
  watch(signal: AbortSignal): AsyncIterable<WatchMessage>
  close(): void
}

export type Dial = (endpoint: ServiceEndpoint) => DiscoveryTransport

/**
 * The service understood a call and will not serve it: asking again at once, or on another connection, changes nothing.
 * `retryable` tells a full or busy service from a request that is wrong in itself.
 */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall'
  readonly retryable: boolean

  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, { cause })
    this.retryable = retryable
  }
}
