import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { hostPrefix, type Prefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import { answers, type Lives } from './lives.ts'

/** An affiliate and whether some registry still vouches for it. */
export interface RetainedAffiliate {
  readonly affiliate: Affiliate
  /**
   * Undefined while confirmed; else until when it stays as it is. Infinity: as long as its tunnel is live, or until a registry has
   * spoken at all.
   */
  readonly unconfirmedUntil: Instant | undefined
  /** What it alone claimed when it was last confirmed: its key and addresses. Empty while it is confirmed. */
  readonly soleClaims: readonly string[]
  /** When it was no longer confirmed, if that was in this run and a registry had spoken. */
  readonly lostAt?: Instant
  /**
   * Of one that is no peer any more: what it owned and nobody else has taken over. It is not sent to anybody, and not in clear
   * either. Undefined while it is a peer.
   */
  readonly held?: readonly Prefix[]
  /** What it claimed before, and does not now, where nothing proves which of the two it said last. It is not sent in clear. */
  readonly withdrawn?: { readonly prefixes: readonly Prefix[]; readonly until: Instant }
}

export interface RetentionSettings {
  /** A tunnel is live when bytes arrived through it so recently. */
  readonly liveWithin: Milliseconds
  /** For how long a silent peer is kept whose record expired or went missing. 0: not at all, as the protocol has it. */
  readonly graceAfterLoss: Milliseconds
  /** For how long one is kept whose record somebody deleted. */
  readonly graceAfterDeletion: Milliseconds
  /** How long the prefixes of one that is not kept any more are held. */
  readonly holdAfterLoss: Milliseconds
}

export const RETENTION: RetentionSettings = {
  liveWithin: 60_000,
  graceAfterLoss: 300_000,
  graceAfterDeletion: 60_000,
  holdAfterLoss: 1_800_000,
}

export interface RetentionInput extends Lives {
  /** The result of the last time; at start what the cache on disk held, by way of `unconfirmed`. */
  readonly previous: readonly RetainedAffiliate[]
  /** What the registries say now, merged. */
  readonly current: readonly Affiliate[]
  /** Whether any registry has told us all it knows since we started. */
  readonly isComplete: boolean
  /** What anybody may have done who knows the cluster id: no more than a hint. */
  readonly explicitDeletions: ReadonlySet<string>
  /** Node ids that the user wants gone now, unless a registry vouches for them. */
  readonly forgotten: ReadonlySet<string>
  /** What each node id is sent that is up now: that is held for nobody else. */
  readonly owned?: ReadonlyMap<string, readonly Prefix[]>
  /** Until when what the cache held is held, by node id. */
  readonly cachedUntil?: ReadonlyMap<string, Instant>
  /** What an affiliate claims. */
  readonly claimsOf: (affiliate: Affiliate) => readonly Prefix[]
  readonly settings: RetentionSettings
}

/**
 * A registry vouches for members, and does not end them: whoever runs it, or knows the cluster id, can delete and withhold records,
 * and the traffic of live nodes would leave in clear. So
 *
 * - a peer stays as long as its tunnel is live, whatever becomes of its record; what a registry says of the same node id, or
 *   of another one with the same key, replaces it;
 * - one that is silent is kept for a grace time, and then given up. Sooner when somebody else claims one of its
 *   addresses - not one that others had all along, as hosts have the address of a bridge;
 * - what it owned is held after that: dropped, until another member that is up has it, the user forgets the node, or
 *   `holdAfterLoss` is over.
 *
 * Who says itself that it has left, sealed, is confirmed and claims nothing. Sorted by node id; the very `previous` where nothing
 * has changed.
 */
export function retainAffiliates(input: RetentionInput): readonly RetainedAffiliate[] {
  const { previous, current, forgotten } = input
  const before = new Map(previous.map((entry) => [entry.affiliate.nodeId, entry]))
  const confirmed = new Set(current.map(({ nodeId }) => nodeId))
  const missing = previous.filter(
    ({ affiliate: { nodeId, kubespan } }) =>
      !confirmed.has(nodeId) && !forgotten.has(nodeId) && kubespan.publicKey !== '',
  )
  const isNew = missing.some(({ unconfirmedUntil }) => unconfirmedUntil === undefined)
  const known = isNew ? soleClaims(previous.map(({ affiliate }) => affiliate)) : undefined
  const claimed = new Set(missing.length === 0 ? [] : current.flatMap(markersOf))
  const taken = missing.length === 0 ? undefined : takenOf(input, confirmed)

  const kept = missing.flatMap((entry): RetainedAffiliate[] => {
    const { affiliate, unconfirmedUntil } = entry
    const sole = unconfirmedUntil === undefined ? (known?.get(affiliate.nodeId) ?? []) : entry.soleClaims
    if (taken === undefined) return []
    const next =
      entry.held === undefined ? keep({ ...entry, soleClaims: sole }, claimed, taken, input) : entry
    return next.held === undefined ? [next] : hold(next, taken, input.now)
  })
  const retained = [...current.map((affiliate) => confirm(affiliate, before, input)), ...kept]
    .map((entry) => sameAs(before.get(entry.affiliate.nodeId), entry))
    .sort((a, b) => compareBytes(a.affiliate.nodeId, b.affiliate.nodeId))
  const isSame = retained.length === previous.length && retained.every((entry, n) => entry === previous[n])
  return isSame ? previous : retained
}

/** A record that says less than before, and not when it was sealed, may be an old one that somebody has brought again. */
function confirm(
  affiliate: Affiliate,
  before: ReadonlyMap<string, RetainedAffiliate>,
  input: RetentionInput,
): RetainedAffiliate {
  const known = before.get(affiliate.nodeId)
  const base = { affiliate, unconfirmedUntil: undefined, soleClaims: [] }
  const isSame = known !== undefined && claimTheSame(known.affiliate, affiliate)
  if (known === undefined || (isSame && known.withdrawn === undefined)) return base
  const { withdrawn, affiliate: earlier } = known
  const isProven = earlier.sealedAt !== undefined && affiliate.sealedAt !== undefined
  const standing = withdrawn !== undefined && withdrawn.until > input.now ? withdrawn.prefixes : []
  const prefixes = PrefixSet.of([...standing, ...(isSame || isProven ? [] : input.claimsOf(earlier))])
    .subtract(PrefixSet.of(input.claimsOf(affiliate)))
    .toPrefixes()
  if (affiliate.kubespan.publicKey === '' || prefixes.length === 0) return base
  const isMore = prefixes.join() !== standing.join()
  const until = isMore ? input.now + input.settings.holdAfterLoss : (withdrawn?.until ?? input.now)
  return { ...base, withdrawn: { prefixes, until } }
}

/** Most records are as they were, and to read what one claims is what costs. */
function claimTheSame(one: Affiliate, other: Affiliate): boolean {
  const [a, b] = [one.kubespan, other.kubespan]
  return (
    a.address === b.address &&
    isSameList(one.addresses, other.addresses) &&
    isSameList(a.additionalAddresses, b.additionalAddresses) &&
    isSameList(a.excludeAdvertisedNetworks, b.excludeAdvertisedNetworks)
  )
}

const isSameList = (one: readonly string[], other: readonly string[]): boolean =>
  one === other || one.join() === other.join()

const sameAs = (before: RetainedAffiliate | undefined, now: RetainedAffiliate): RetainedAffiliate =>
  before?.affiliate === now.affiliate &&
  before.unconfirmedUntil === now.unconfirmedUntil &&
  before.lostAt === now.lostAt &&
  before.held?.join() === now.held?.join() &&
  before.withdrawn?.until === now.withdrawn?.until &&
  before.withdrawn?.prefixes.join() === now.withdrawn?.prefixes.join() &&
  before.soleClaims.join() === now.soleClaims.join()
    ? before
    : now

/** As a peer, or no longer. */
function keep(
  entry: RetainedAffiliate,
  claimed: ReadonlySet<string>,
  taken: Taken,
  input: RetentionInput,
): RetainedAffiliate {
  const { affiliate, unconfirmedUntil: until = Number.POSITIVE_INFINITY, soleClaims: sole } = entry
  const { isComplete, explicitDeletions, lastReceiveAt, down, now, settings } = input
  if (!isComplete) return { ...entry, unconfirmedUntil: until }
  const { nodeId, kubespan } = affiliate
  const { publicKey } = kubespan
  const { lostAt = now } = entry
  const isDeleted = explicitDeletions.has(nodeId)
  const grace = isDeleted ? settings.graceAfterDeletion : settings.graceAfterLoss
  const heardAt = lastReceiveAt.get(publicKey)
  // With a key that a registry says is another's, it is that one that answers.
  const isLive = !claimed.has(publicKey) && !isReplaced(affiliate, taken) && answers(publicKey, input)
  if (grace > 0 && isLive) return { ...entry, lostAt, unconfirmedUntil: Number.POSITIVE_INFINITY }
  // One that was never heard is tried for as long.
  const keptUntil = (heardAt ?? lostAt) + Math.max(grace, settings.liveWithin)
  const isGone =
    grace === 0 ||
    keptUntil <= now ||
    claimed.has(publicKey) ||
    (isDeleted && down?.has(publicKey) === true) ||
    sole.some((claim) => claimed.has(claim))
  if (!isGone) return { ...entry, lostAt, unconfirmedUntil: keptUntil }
  // What the cache held is held for longer, and one that was heard for long after that not for less than any other.
  const heldUntil = Math.max(
    input.cachedUntil?.get(nodeId) ?? -Infinity,
    Math.max(lostAt, heardAt ?? -Infinity) + settings.holdAfterLoss,
  )
  return { ...entry, lostAt, unconfirmedUntil: heldUntil, held: input.claimsOf(affiliate) }
}

/** Whether another node is up at its mesh address: then nobody can ask it whether it is there. */
function isReplaced({ nodeId, kubespan: { address } }: Affiliate, { owners }: Taken): boolean {
  const ownerId = address && owners.get(hostPrefix(address))
  return ownerId !== undefined && ownerId !== nodeId
}

/** What is still held of it; nothing at all once there is nothing. */
function hold(entry: RetainedAffiliate, { prefixes }: Taken, now: Instant): RetainedAffiliate[] {
  const { unconfirmedUntil: until = now, held = [] } = entry
  if (until <= now) return []
  const left = prefixes.isEmpty ? held : PrefixSet.of(held).subtract(prefixes).toPrefixes()
  return left.length === 0 ? [] : [{ ...entry, held: left }]
}

/** What nodes are sent that are up, and that a registry vouches for. */
interface Taken {
  readonly prefixes: PrefixSet
  readonly owners: ReadonlyMap<Prefix, string>
}

function takenOf({ owned = new Map() }: RetentionInput, confirmed: ReadonlySet<string>): Taken {
  const owners = new Map<Prefix, string>()
  for (const [nodeId, prefixes] of owned)
    if (confirmed.has(nodeId)) for (const prefix of prefixes) owners.set(prefix, nodeId)
  return { prefixes: PrefixSet.of([...owners.keys()]), owners }
}

/** Those that are peers, or would be with a key. */
export const peersOf = (retained: readonly RetainedAffiliate[]): readonly Affiliate[] =>
  retained.flatMap(({ affiliate, held }) => (held === undefined ? [affiliate] : []))

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
  for (const { unconfirmedUntil = next, withdrawn } of retained)
    next = Math.min(next, unconfirmedUntil, withdrawn?.until ?? next)
  return Number.isFinite(next) ? next : undefined
}

/** What no two nodes should have: the key and every address, each as text. */
const markersOf = ({ addresses, kubespan }: Affiliate): string[] =>
  [kubespan.publicKey, kubespan.address ?? '', ...addresses, ...kubespan.additionalAddresses].filter(
    (claim) => claim !== '',
  )

function soleClaims(affiliates: readonly Affiliate[]): ReadonlyMap<string, readonly string[]> {
  const claims = affiliates.map((affiliate) => ({
    nodeId: affiliate.nodeId,
    own: [...new Set(markersOf(affiliate))],
  }))
  const times = new Map<string, number>()
  for (const { own } of claims) for (const claim of own) times.set(claim, (times.get(claim) ?? 0) + 1)
  return new Map(claims.map(({ nodeId, own }) => [nodeId, own.filter((claim) => times.get(claim) === 1)]))
}
