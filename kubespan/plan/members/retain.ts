import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { PublicKey } from '../../model/peer.ts'

/** An affiliate and whether some registry still vouches for it. */
export interface RetainedAffiliate {
  readonly affiliate: Affiliate
  /** Undefined while confirmed; else until when it is kept. Infinity: until a registry has spoken at all. */
  readonly unconfirmedUntil: Instant | undefined
  /** What it alone claimed when it was last confirmed: its key and addresses. Empty while it is confirmed. */
  readonly soleClaims: readonly string[]
}

export interface RetentionSettings {
  /** A tunnel is live when bytes arrived through it so recently. */
  readonly liveWithin: Milliseconds
  /** How long an affiliate that expired or went missing is kept. 0: not at all, as the protocol has it. */
  readonly graceAfterLoss: Milliseconds
  /** How long one is kept that somebody deleted. */
  readonly graceAfterDeletion: Milliseconds
}

/** The path to a peer that is only thought dead is found again within this time. */
const SILENT_AFTER: Milliseconds = 3_000

export const RETENTION: RetentionSettings = {
  liveWithin: 60_000,
  graceAfterLoss: 300_000,
  graceAfterDeletion: 60_000,
}

export interface RetentionInput {
  /** The result of the last time; at start what the cache on disk held, by way of `unconfirmed`. */
  readonly previous: readonly RetainedAffiliate[]
  /** What the registries say now, merged. */
  readonly current: readonly Affiliate[]
  /** Whether any registry has told us all it knows since we started. */
  readonly isComplete: boolean
  readonly explicitDeletions: ReadonlySet<string>
  /** Node ids that the user wants gone now, unless a registry vouches for them. */
  readonly forgotten: ReadonlySet<string>
  /** When bytes of each peer last arrived. */
  readonly lastReceiveAt: ReadonlyMap<PublicKey, Instant>
  /** Since when each peer is not up, or its path seems dead: no live tunnel then depends on a record that somebody deleted. */
  readonly silentSince?: ReadonlyMap<PublicKey, Instant>
  readonly now: Instant
  readonly settings: RetentionSettings
}

/**
 * Never cuts a live tunnel because a registry forgot the node behind it: that affiliate stays for a grace time as unconfirmed.
 * It goes at once when somebody else claims its key or one of its addresses - not one that others had all along, as
 * hosts have the address of a bridge - and what a registry says of the same node id replaces it, a new key included.
 * Sorted by node id.
 */
export function retainAffiliates(input: RetentionInput): RetainedAffiliate[] {
  const { previous, current, forgotten, now } = input
  const confirmed = new Set(current.map(({ nodeId }) => nodeId))
  const missing = previous.filter(
    ({ affiliate: { nodeId } }) => !confirmed.has(nodeId) && !forgotten.has(nodeId),
  )
  const isNew = missing.some(({ unconfirmedUntil }) => unconfirmedUntil === undefined)
  const known = isNew ? soleClaims(previous.map(({ affiliate }) => affiliate)) : undefined
  const claimed = new Set(missing.length === 0 ? [] : current.flatMap(claimsOf))

  const kept = missing.flatMap((entry) => {
    const sole =
      entry.unconfirmedUntil === undefined ? (known?.get(entry.affiliate.nodeId) ?? []) : entry.soleClaims
    const until = deadline(entry, input)
    if (until <= now || sole.some((claim) => claimed.has(claim))) return []
    return [{ affiliate: entry.affiliate, unconfirmedUntil: until, soleClaims: sole }]
  })
  return [...current.map(confirm), ...kept].sort((a, b) =>
    compareBytes(a.affiliate.nodeId, b.affiliate.nodeId),
  )
}

const confirm = (affiliate: Affiliate): RetainedAffiliate => ({
  affiliate,
  unconfirmedUntil: undefined,
  soleClaims: [],
})

/** Affiliates out of the cache: good until some registry has spoken. */
export function unconfirmed(affiliates: readonly Affiliate[]): RetainedAffiliate[] {
  const known = soleClaims(affiliates)
  return affiliates.map((affiliate) => ({
    affiliate,
    unconfirmedUntil: Number.POSITIVE_INFINITY,
    soleClaims: known.get(affiliate.nodeId) ?? [],
  }))
}

/** The node ids that no registry vouches for now. */
export const unconfirmedIds = (retained: readonly RetainedAffiliate[]): ReadonlySet<string> =>
  new Set(
    retained.flatMap(({ affiliate, unconfirmedUntil }) =>
      unconfirmedUntil === undefined ? [] : [affiliate.nodeId],
    ),
  )

/** When `retainAffiliates` has something to do even if nothing happens; undefined when nothing waits. */
export function nextDeadline(retained: readonly RetainedAffiliate[]): Instant | undefined {
  let next = Number.POSITIVE_INFINITY
  for (const { unconfirmedUntil = next } of retained) next = Math.min(next, unconfirmedUntil)
  return Number.isFinite(next) ? next : undefined
}

function deadline(
  { affiliate: { nodeId, kubespan }, unconfirmedUntil: until }: RetainedAffiliate,
  { isComplete, explicitDeletions, lastReceiveAt, silentSince, now, settings }: RetentionInput,
): Instant {
  if (!isComplete) return until ?? Number.POSITIVE_INFINITY
  const isDeleted = explicitDeletions.has(nodeId)
  const silence = now - (silentSince?.get(kubespan.publicKey) ?? now)
  if (isDeleted && silence >= SILENT_AFTER) return -Infinity
  if (until !== undefined && Number.isFinite(until))
    return isDeleted ? Math.min(until, now + settings.graceAfterDeletion) : until
  const isLive = now - (lastReceiveAt.get(kubespan.publicKey) ?? -Infinity) <= settings.liveWithin
  return isLive ? now + (isDeleted ? settings.graceAfterDeletion : settings.graceAfterLoss) : -Infinity
}

/** What no two nodes should have: the key and every address, each as text. */
const claimsOf = ({ addresses, kubespan }: Affiliate): string[] =>
  [kubespan.publicKey, kubespan.address ?? '', ...addresses, ...kubespan.additionalAddresses].filter(
    (claim) => claim !== '',
  )

function soleClaims(affiliates: readonly Affiliate[]): ReadonlyMap<string, readonly string[]> {
  const claims = affiliates.map((affiliate) => ({
    nodeId: affiliate.nodeId,
    own: [...new Set(claimsOf(affiliate))],
  }))
  const times = new Map<string, number>()
  for (const { own } of claims) for (const claim of own) times.set(claim, (times.get(claim) ?? 0) + 1)
  return new Map(claims.map(({ nodeId, own }) => [nodeId, own.filter((claim) => times.get(claim) === 1)]))
}
