import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Prefix } from '../../../shared/net/address.ts'
import { PEER_DOWN_AFTER } from '../../model/constants.ts'
import type { Contests } from './contests.ts'

/** A prefix that is with another claimant than its owner by id order. */
export interface Holding {
  readonly ownerId: string
  readonly holderId: string
  /** Since when the owner has been up without a break; undefined while it is not. */
  readonly ownerUpSince: Instant | undefined
}

export interface ArbitrationInput {
  /** From `planPeerSpecs`: identical prefixes with their claimants, the owner by id order first. */
  readonly contested: ReadonlyMap<Prefix, readonly string[]>
  /** The result of the last time. */
  readonly holdings: ReadonlyMap<Prefix, Holding>
  /** Of every known node id: since when its peer is not up, or its path seems dead; undefined while all is well. */
  readonly notUpSince: ReadonlyMap<string, Instant | undefined>
  /** Of every known node id: when bytes of its peer last arrived. */
  readonly heardAt?: ReadonlyMap<string, Instant | undefined>
  /** Since when each claim is known; without it all are of one age. */
  readonly contests?: Contests
  /** The same at the last time: what is not in there is new. */
  readonly contestsBefore?: Contests
  /** Since when we hear of claims at all: of two that are older than that nobody knows which came first. */
  readonly listeningSince?: Instant | undefined
  readonly now: Instant
  /** How long somebody must have been down before a prefix is taken from it by a claim of the same age, and up before it is given back. */
  readonly patience?: Milliseconds
}

/** A path that is only thought dead is found again by a race within this time, or it is dead. */
export const TAKEN_BY_NEWER_AFTER: Milliseconds = 3_000
/** Claims that become known within this time, as of nodes that start together, are of the same age. */
export const SAME_AGE: Milliseconds = 10_000
/** Who was never heard by this daemon loses to one that is, after this time. */
export const TAKEN_FROM_UNHEARD_AFTER: Milliseconds = 10_000

/**
 * Who has an identical prefix that several claim. The lowest id, as the protocol has it, but for this:
 *
 * - a claim that is newer than its holder's, by a peer that is up, takes it from a holder that is not: an address has
 *   moved, or a machine was installed anew;
 * - a holder that is up keeps it from a newcomer with a lower id, until that has been up for `patience`;
 * - of claims of the same age one that is up takes it from a holder that has been down for `patience`, or that this daemon has never heard;
 * - it goes back when the owner has been up for `patience`, or is up while the holder is not.
 */
export function arbitrateOverlaps(input: ArbitrationInput): ReadonlyMap<Prefix, Holding> {
  const holdings = new Map<Prefix, Holding>()
  for (const [prefix, claimants] of input.contested) {
    const holding = arbitrate(prefix, claimants, input)
    if (holding !== undefined) holdings.set(prefix, holding)
  }
  return holdings
}

function arbitrate(
  prefix: Prefix,
  claimants: readonly string[],
  input: ArbitrationInput,
): Holding | undefined {
  const { notUpSince, now, patience = PEER_DOWN_AFTER } = input
  const isUp = isUpIn(input)
  const isLost = (nodeId: string): boolean => now - (notUpSince.get(nodeId) ?? now) >= patience
  const [ownerId = ''] = claimants
  const before = input.holdings.get(prefix)
  const current =
    before?.ownerId === ownerId && claimants.includes(before.holderId)
      ? before
      : keptFromOthers(prefix, claimants, input)

  if (isUp(ownerId)) {
    if (current === undefined || !isUp(current.holderId)) return undefined
    const ownerUpSince = current.ownerUpSince ?? now
    return now - ownerUpSince >= patience ? undefined : { ...current, ownerUpSince }
  }
  const handedTo = (holderId: string): Holding => ({ ownerId, holderId, ownerUpSince: undefined })
  const holderId = current?.holderId ?? ownerId
  const successor = successorOf(holderId, prefix, claimants, input)
  if (successor !== undefined) return handedTo(successor)
  if (!isLost(holderId)) return current && { ...current, ownerUpSince: undefined }
  const next = claimants.find(isUp) ?? current?.holderId
  return next === undefined ? undefined : handedTo(next)
}

const isUpIn =
  ({ notUpSince }: ArbitrationInput) =>
  (nodeId: string): boolean =>
    notUpSince.has(nodeId) && notUpSince.get(nodeId) === undefined

/** Who has it and is up keeps it from a lower id that has just begun to claim it, and when the owner ceases to claim it. */
function keptFromOthers(
  prefix: Prefix,
  claimants: readonly string[],
  input: ArbitrationInput,
): Holding | undefined {
  const since = input.contests?.get(prefix)
  if (since === undefined) return undefined
  const [ownerId = ''] = claimants
  const before = input.holdings.get(prefix)?.holderId
  const sinceOf = (nodeId: string): Instant => since.get(nodeId) ?? -Infinity
  const isNewcomer = input.contestsBefore?.get(prefix)?.has(ownerId) !== true
  const older = isNewcomer ? claimants.find((nodeId) => sinceOf(nodeId) < sinceOf(ownerId)) : undefined
  const holderId = before !== undefined && claimants.includes(before) ? before : older
  return holderId !== undefined && holderId !== ownerId && isUpIn(input)(holderId)
    ? { ownerId, holderId, ownerUpSince: undefined }
    : undefined
}

/** Who takes it from a holder that is not up although that has not been down for long. */
function successorOf(
  holderId: string,
  prefix: Prefix,
  claimants: readonly string[],
  input: ArbitrationInput,
): string | undefined {
  const { notUpSince, heardAt, contests, listeningSince, now } = input
  const since = contests?.get(prefix)
  const downSince = notUpSince.get(holderId)
  if (since === undefined || downSince === undefined) return undefined
  const sinceOf = (nodeId: string): Instant => since.get(nodeId) ?? -Infinity
  const heardOf = heardAt?.get(holderId) ?? -Infinity
  // What was claimed once the holder had fallen silent is the next chapter, however soon it came.
  const isNewer = (nodeId: string): boolean =>
    sinceOf(nodeId) > sinceOf(holderId) &&
    (sinceOf(nodeId) >= heardOf || sinceOf(nodeId) - sinceOf(holderId) >= SAME_AGE)
  const others = claimants.filter((nodeId) => nodeId !== holderId && isUpIn(input)(nodeId))
  if (now - downSince >= TAKEN_BY_NEWER_AFTER) {
    const [newest] = others.filter(isNewer).sort((a, b) => sinceOf(b) - sinceOf(a))
    if (newest !== undefined) return newest
  }
  const isUnheard = listeningSince !== undefined && heardOf <= listeningSince
  return isUnheard && now - downSince >= TAKEN_FROM_UNHEARD_AFTER ? others[0] : undefined
}

/** One line for people. */
export const describeHolding = (prefix: Prefix, { ownerId, holderId, ownerUpSince }: Holding): string =>
  `${prefix} is with affiliate ${holderId} while ${ownerId}, which claims it first, is ${ownerUpSince === undefined ? 'down' : 'not up for long'}`
