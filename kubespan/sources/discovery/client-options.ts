import type { ClusterKey } from '../../../shared/affiliate/seal.ts'
import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'
import type { ProofAnswer } from '../../model/proof-answer.ts'
import type { ServiceEndpoint } from '../../model/service-endpoint.ts'
import type { DoubleSeen } from './double.ts'
import type { OwnSeals } from './own-seals.ts'
import type { Dial } from './transport.ts'

export interface DiscoveryClientOptions {
  /** The name of the service in the configuration. */
  readonly name: string
  readonly endpoint: ServiceEndpoint
  readonly ownId: string
  readonly key: ClusterKey
  /** How long the service keeps our record without a refresh; refreshed at half of it. */
  readonly ttl: Milliseconds
  readonly dial: Dial
  readonly clock: Clock
  /** Consecutive failures to the pause before the next attempt. */
  readonly backoff: (failures: number) => Milliseconds
  /** The table, the public address or the connection changed. */
  readonly onChange: () => void
  readonly log: ClientLog
  /** Which records are our own; by default those of this client. */
  readonly seals?: OwnSeals
}

const CHECK_EVERY_MAX: Milliseconds = 30_000

/**
 * How often a connection is checked on which nothing happens. The reference takes a tenth of the TTL, 3 minutes (SPEC 2.3), and its
 * service lets everybody ask every 10 s (SPEC 1.8). A router that gets another public address tells nobody behind it: what
 * we learn is that a connection from the old one is dead, and what the address is now from the Hello on the next.
 */
export const checkConnectionEvery = (ttl: Milliseconds): Milliseconds => Math.min(CHECK_EVERY_MAX, ttl / 10)

/** One line per change; a quiet client says nothing. */
export interface ClientLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ClientStatus {
  readonly name: string
  /** host:port that is spoken to now: the configured one, or where it sent us. */
  readonly endpoint: string
  readonly isRedirected: boolean
  /** A watch is open and its snapshot has come. */
  readonly connected: boolean
  /** Some watch has told us everything: before that a missing affiliate means nothing. */
  readonly hasSnapshot: boolean
  readonly lastContactAt: Instant | undefined
  /** Our addresses as the service tells them: the last one of each family. */
  readonly publicAddresses: readonly Address[]
  /** When another machine was last seen to publish under our node id, and as what; undefined while none was. */
  readonly double?: DoubleSeen | undefined
  /** What it made of our proof of membership, when it was asked last; undefined where it does not know of such. */
  readonly proof?: ProofAnswer | undefined
  /** Although it is connected, others learn nothing of us there: our record is refused, or too large. */
  readonly isUnpublished: boolean
  /** Why it is not connected, or why our record is not published, or not all of it. */
  readonly problem: string | undefined
}
