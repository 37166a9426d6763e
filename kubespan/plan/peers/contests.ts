import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant } from '../../../shared/clock.ts'
import type { Prefix } from '../../../shared/net/address.ts'
import { planClaims } from './claims.ts'

/**
 * Of every contested prefix: since when each claimant, by node id, is known to claim it. -Infinity: longer than we can tell, as
 * what the cache on disk held.
 */
export type Contests = ReadonlyMap<Prefix, ReadonlyMap<string, Instant>>

export interface ContestsInput {
  /** From `planPeerSpecs`: identical prefixes with their claimants. */
  readonly contested: ReadonlyMap<Prefix, readonly string[]>
  /** The result of the last time. */
  readonly before: Contests
  /** The affiliates of the last time: what they claimed already is as old as what we know of them. */
  readonly known: readonly Affiliate[]
  /** Since when each node id is known; one of `known` that is not in there has been for longer than we can tell. */
  readonly knownSince: ReadonlyMap<string, Instant>
  readonly now: Instant
}

/** A claim that ends and comes back is as new as one that was never there. */
export function followContests({ contested, before, known, knownSince, now }: ContestsInput): Contests {
  const claimed = new Map<string, ReadonlySet<Prefix>>()
  const claimedBefore = (nodeId: string, prefix: Prefix): boolean => {
    const prefixes = claimed.get(nodeId) ?? claimsOf(known.find((affiliate) => affiliate.nodeId === nodeId))
    claimed.set(nodeId, prefixes)
    return prefixes.has(prefix)
  }
  return new Map(
    Array.from(contested, ([prefix, claimants]) => {
      const since = before.get(prefix)
      const sinceOf = (nodeId: string): Instant =>
        since?.get(nodeId) ?? (claimedBefore(nodeId, prefix) ? (knownSince.get(nodeId) ?? -Infinity) : now)
      return [prefix, new Map(claimants.map((nodeId) => [nodeId, sinceOf(nodeId)]))]
    }),
  )
}

/** Since when each of the affiliates is known, given those of the last time. */
export function followKnown(
  affiliates: readonly Affiliate[],
  known: readonly Affiliate[],
  knownSince: ReadonlyMap<string, Instant>,
  now: Instant,
): ReadonlyMap<string, Instant> {
  const ids = new Set(known.map(({ nodeId }) => nodeId))
  return new Map(
    affiliates.map(({ nodeId }) => [nodeId, knownSince.get(nodeId) ?? (ids.has(nodeId) ? -Infinity : now)]),
  )
}

const claimsOf = (affiliate: Affiliate | undefined): ReadonlySet<Prefix> =>
  new Set(affiliate && planClaims([affiliate], '', undefined).claims.flatMap(({ prefixes }) => prefixes))
