import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { RankedEndpoint } from './rank-endpoints.ts'

/** Where races cannot run - no nft, a firewall that drops their packets - candidates are tried one after the other, quickly. */
export interface RotationSettings {
  /** Each candidate has had its turn after this long. */
  readonly round: Milliseconds
  /** A handshake needs a moment: with many candidates the round takes longer. */
  readonly shortestTurn: Milliseconds
  /** The pause after the first round in vain; it doubles with each up to the cap. */
  readonly rest: Milliseconds
  readonly restCap: Milliseconds
}

export const QUICK_ROTATION: RotationSettings = {
  round: 1000,
  shortestTurn: 100,
  rest: 5000,
  restCap: 60_000,
}

/** Of one peer; forgotten when the peer is up. */
export interface Rotation {
  /** The number of the turn that is under way, in this and in all rounds before. */
  readonly turn: number
  readonly nextAt: Instant
}

export interface RotationStep {
  readonly rotation: Rotation
  /**
   * To be written by removing and adding the peer, which is what makes the kernel send a handshake at once; undefined while the
   * turn lasts.
   */
  readonly endpoint: AddressPort | undefined
}

/** One look at a peer that is down. The last candidate of a round stays set through the pause, then comes the best again. */
export function stepRotation(
  ranked: readonly RankedEndpoint[],
  before: Rotation | undefined,
  now: Instant,
  { round, shortestTurn, rest, restCap }: RotationSettings,
): RotationStep {
  if (ranked.length === 0) return { rotation: { turn: -1, nextAt: now + rest }, endpoint: undefined }
  if (before !== undefined && now < before.nextAt) return { rotation: before, endpoint: undefined }
  const turn = (before?.turn ?? -1) + 1
  const rounds = Math.floor((turn + 1) / ranked.length)
  const isLastOfRound = (turn + 1) % ranked.length === 0
  const pause = isLastOfRound ? Math.min(restCap, rest * 2 ** (rounds - 1)) : 0
  return {
    rotation: { turn, nextAt: now + Math.max(shortestTurn, round / ranked.length) + pause },
    endpoint: ranked[turn % ranked.length]?.endpoint,
  }
}
