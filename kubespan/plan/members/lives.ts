import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { PublicKey } from '../../model/peer.ts'

/** What the tunnels say of who is there: no registry can. */
export interface Lives {
  /** When bytes of each peer last arrived. */
  readonly lastReceiveAt: ReadonlyMap<PublicKey, Instant>
  /** Since when each peer is not up, or its path seems dead. */
  readonly silentSince?: ReadonlyMap<PublicKey, Instant>
  /** Those that do not answer for so long that they count as down. */
  readonly down?: ReadonlySet<PublicKey>
  readonly now: Instant
}

/** The path to a peer that is only thought dead is found again within this time. */
export const SILENT_AFTER: Milliseconds = 3_000

/** For how long a peer seems not to be there. */
export const silenceOf = (publicKey: PublicKey, { silentSince, now }: Lives): Milliseconds =>
  now - (silentSince?.get(publicKey) ?? now)

/**
 * Whether a peer is there, as far as is known: it was heard, is up, and its path does not seem dead. An idle tunnel is silent for
 * minutes, so bytes alone would not tell.
 */
export const answers = (publicKey: PublicKey, lives: Lives): boolean =>
  lives.lastReceiveAt.has(publicKey) && silenceOf(publicKey, lives) < SILENT_AFTER
