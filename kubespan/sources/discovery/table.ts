import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { decodeAffiliate, decodeEndpoint } from '../../../shared/affiliate/codec.ts'
import { type ClusterKey, sealStamp } from '../../../shared/affiliate/seal.ts'
import type { Instant, Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'
import { isNodeId } from '../../../shared/identity/node-id.ts'
import type { AddressPort } from '../../../shared/net/address.ts'

/** One affiliate as it stands on the wire: ciphertext under an id. */
export interface SealedAffiliate {
  readonly id: string
  readonly data: Uint8Array
  readonly endpoints: readonly Uint8Array[]
}

/** One message of a Watch stream. */
export interface WatchMessage {
  readonly affiliates: readonly SealedAffiliate[]
  readonly deleted: boolean
  /** Bytes on the wire, with what was passed over; absent where nobody counted. */
  readonly size?: number
}

/** What one discovery service says of one affiliate. */
export interface DiscoveredAffiliate {
  readonly affiliate: Affiliate
  /** When the service last told us anything of it. */
  readonly seenAt: Instant
  /** When its data last changed: of two services, the newer one is right. */
  readonly changedAt: Instant
  /** Another one each time that its node seals it anew, as when it starts. */
  readonly stamp: string
}

/** How an affiliate left: asked for by somebody, or its time ran out. */
export interface Departure {
  readonly at: Instant
  readonly explicit: boolean
  /** The last that it said of itself, sealed, where that was that it is no part of the mesh any more. */
  readonly farewell?: Affiliate
}

/** Everything one discovery service has told us: a whole value, replaced and never mutated. */
export interface AffiliateTable {
  readonly affiliates: ReadonlyMap<string, DiscoveredAffiliate>
  /** Affiliates that were deleted by a message, until they come back or a snapshot starts anew. */
  readonly departures: ReadonlyMap<string, Departure>
}

/** SPEC 1.2: what an honest service holds of a cluster. */
const AFFILIATES_MAX = 1024
const DEPARTURES_MAX = 2048
/** What a node with a clock that is ahead says counts, but proves nothing: else nobody could overtake it. */
export const SEALED_AHEAD_MAX: Milliseconds = 600_000

export const EMPTY_TABLE: AffiliateTable = { affiliates: new Map(), departures: new Map() }

export interface TableContext {
  readonly ownId: string
  readonly key: ClusterKey
  readonly now: Instant
  /** The longest a record lives without a refresh. A deletion sooner than that was somebody's wish. */
  readonly ttl: Milliseconds
  /** Whether we sealed what bears this stamp. */
  readonly isOwnSeal?: (stamp: string) => boolean
  /** When the last of ours was sealed. */
  readonly ownSealedAt?: UnixMilliseconds
  readonly wall?: UnixMilliseconds
}

/** Something in a message that was passed over. Said once per kind and affiliate by the caller, never fatal. */
export interface TableProblem {
  readonly id: string
  readonly what:
    | 'data cannot be opened'
    | 'data belongs to another node'
    | 'endpoint cannot be opened'
    | 'its id is no node id'
    | 'an old record again'
    | 'more nodes than a cluster has'
}

/** That the service has deleted, or does not know, our own record; or under which seal it has one. */
export type OwnSaid = 'missing' | { readonly stamp: string }

export interface TableChange {
  readonly table: AffiliateTable
  readonly problems: readonly TableProblem[]
  readonly isChanged: boolean
  /** What was said last of our own record; undefined for nothing. */
  readonly own: OwnSaid | undefined
  /** What stands under our own id although we did not seal it. Never in a snapshot, which may be from another time. */
  readonly foreign: Affiliate | undefined
}

/**
 * Applies Watch messages one after the other (SPEC 2.2). The first message of a stream is a snapshot and replaces the table; it comes
 * alone. Nothing in a message can make this throw: whoever knows the cluster id may write into the cluster.
 */
export function applyWatchMessages(
  table: AffiliateTable,
  messages: readonly WatchMessage[],
  isSnapshot: boolean,
  context: TableContext,
): TableChange {
  const affiliates = new Map(isSnapshot ? [] : table.affiliates)
  const departures = new Map(isSnapshot ? [] : table.departures)
  const problems: TableProblem[] = []
  let own: OwnSaid | undefined = isSnapshot ? 'missing' : undefined
  let foreign: Affiliate | undefined
  let isChanged = isSnapshot

  const said = messages.flatMap(({ affiliates, deleted }) =>
    affiliates.map((sealed) => ({ sealed, deleted })),
  )
  for (const { sealed, deleted } of said) {
    if (sealed.id === context.ownId) {
      own = deleted ? 'missing' : { stamp: sealStamp(sealed.data) }
      foreign = isSnapshot || deleted ? undefined : openForeign(sealed, context)
      continue
    }
    if (!isNodeId(sealed.id)) {
      problems.push({ id: sealed.id, what: 'its id is no node id' })
      continue
    }
    if (deleted) {
      const known = affiliates.get(sealed.id)
      isChanged ||= known !== undefined
      if (known !== undefined) departures.set(sealed.id, departureOf(known, context))
      affiliates.delete(sealed.id)
      continue
    }
    const known = (isSnapshot ? table : { affiliates }).affiliates.get(sealed.id)
    const opened = open(sealed, known, context, problems)
    if (opened === undefined) continue
    if (affiliates.size >= AFFILIATES_MAX && !affiliates.has(sealed.id)) {
      problems.push({ id: sealed.id, what: 'more nodes than a cluster has' })
      continue
    }
    isChanged ||= opened.affiliate !== known?.affiliate || opened.stamp !== known.stamp
    affiliates.set(sealed.id, opened)
    departures.delete(sealed.id)
  }
  return { table: { affiliates, departures: latest(departures, context) }, problems, isChanged, own, foreign }
}

/** What somebody deletes under ever new ids must not fill the memory. */
function latest(
  departures: ReadonlyMap<string, Departure>,
  { now, ttl }: TableContext,
): AffiliateTable['departures'] {
  if (departures.size <= DEPARTURES_MAX) return departures
  return new Map([...departures].filter(([, { at }]) => now - at < ttl).slice(-DEPARTURES_MAX))
}

const departureOf = ({ affiliate, seenAt }: DiscoveredAffiliate, { now, ttl }: TableContext): Departure => ({
  ...{ at: now, explicit: now - seenAt < ttl },
  ...(affiliate.kubespan.publicKey === '' ? { farewell: affiliate } : {}),
})

/** What bears our id, was sealed by a member, and not by us. What others add to our own record, as endpoints, leaves its seal. */
function openForeign(
  sealed: SealedAffiliate,
  { ownId, key, isOwnSeal, ownSealedAt = -Infinity }: TableContext,
): Affiliate | undefined {
  if (isOwnSeal === undefined || isOwnSeal(sealStamp(sealed.data))) return undefined
  const plaintext = key.openAffiliate(sealed.data)
  const decoded = plaintext && decodeAffiliate(plaintext)
  if (decoded?.nodeId !== ownId) return undefined
  // Another machine seals later than what it finds there; what is earlier may be ours of long ago.
  return (decoded.sealedAt ?? Infinity) >= ownSealedAt ? decoded : undefined
}

/** The decoded affiliate; the one known so far when the new data is absent or unusable. */
function open(
  sealed: SealedAffiliate,
  known: DiscoveredAffiliate | undefined,
  { key, now, wall = Infinity }: TableContext,
  problems: TableProblem[],
): DiscoveredAffiliate | undefined {
  if (sealed.data.length === 0) return known
  const stamp = sealStamp(sealed.data)
  const plaintext = key.openAffiliate(sealed.data)
  const decoded = plaintext && decodeAffiliate(plaintext)
  if (decoded === undefined) {
    problems.push({ id: sealed.id, what: 'data cannot be opened' })
    return known
  }
  // C3: nothing on the wire binds a blob to its id, so a replay under another id would take that node's place.
  if (decoded.nodeId !== sealed.id) {
    problems.push({ id: sealed.id, what: 'data belongs to another node' })
    return known
  }
  const { sealedAt, ...said } = decoded
  if (sealedAt !== undefined && sealedAt < (known?.affiliate.sealedAt ?? -Infinity)) {
    problems.push({ id: sealed.id, what: 'an old record again' })
    return known
  }
  const isAhead = sealedAt !== undefined && sealedAt - wall > SEALED_AHEAD_MAX
  const endpoints: AddressPort[] = []
  for (const message of key.openEndpoints(sealed.endpoints)) {
    const endpoint = message && decodeEndpoint(message)
    if (endpoint === undefined) problems.push({ id: sealed.id, what: 'endpoint cannot be opened' })
    else if (!endpoints.includes(endpoint)) endpoints.push(endpoint)
  }
  const hasKubeSpan = decoded.kubespan.publicKey !== ''
  const affiliate: Affiliate = {
    ...said,
    ...(sealedAt === undefined || isAhead ? {} : { sealedAt }),
    kubespan: { ...decoded.kubespan, endpoints: hasKubeSpan ? endpoints : [] },
  }
  const isSame = known !== undefined && JSON.stringify(known.affiliate) === JSON.stringify(affiliate)
  return isSame
    ? { affiliate: known.affiliate, seenAt: now, changedAt: known.changedAt, stamp }
    : { affiliate, seenAt: now, changedAt: now, stamp }
}
