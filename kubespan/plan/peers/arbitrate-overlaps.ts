import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Prefix } from '../../../shared/net/address.ts'
import { PEER_DOWN_AFTER } from '../../model/constants.ts'

/** A prefix that was handed from its owner by id order to another claimant. */
export interface Holding {
  readonly ownerId: string
  readonly holderId: string
  /** Since when the owner has been back without a break; undefined while it is not up. */
  readonly ownerUpSince: Instant | undefined
}

export interface ArbitrationInput {
  /** From `planPeerSpecs`: identical prefixes with their claimants, the owner by id order first. */
  readonly contested: ReadonlyMap<Prefix, readonly string[]>
  /** The result of the last time. */
  readonly holdings: ReadonlyMap<Prefix, Holding>
  /** Of every known node id: since when its peer is not up; undefined while it is. */
  readonly notUpSince: ReadonlyMap<string, Instant | undefined>
  readonly now: Instant
  /** How long somebody must have been down before a prefix is taken from it, and up before it is given back. */
  readonly patience?: Milliseconds
}

/**
 * Gives an identical prefix that several claim to one that is up, once its owner by id order was down long enough; back
 * when the owner has been up as long, or is up while the holder is not. Nothing else moves a prefix.
 */
export function arbitrateOverlaps(input: ArbitrationInput): ReadonlyMap<Prefix, Holding> {
  const holdings = new Map<Prefix, Holding>()
  for (const [prefix, claimants] of input.contested) {
    const holding = arbitrate(claimants, input.holdings.get(prefix), input)
    if (holding !== undefined) holdings.set(prefix, holding)
  }
  return holdings
}

function arbitrate(
  claimants: readonly string[],
  before: Holding | undefined,
  { notUpSince, now, patience = PEER_DOWN_AFTER }: ArbitrationInput,
): Holding | undefined {
  const isUp = (nodeId: string): boolean => notUpSince.has(nodeId) && notUpSince.get(nodeId) === undefined
  const isLost = (nodeId: string): boolean => now - (notUpSince.get(nodeId) ?? now) >= patience
  const [ownerId = ''] = claimants
  const current = before?.ownerId === ownerId && claimants.includes(before.holderId) ? before : undefined

  if (isUp(ownerId)) {
    if (current === undefined || !isUp(current.holderId)) return undefined
    const ownerUpSince = current.ownerUpSince ?? now
    return now - ownerUpSince >= patience ? undefined : { ...current, ownerUpSince }
  }
  if (!isLost(current?.holderId ?? ownerId)) return current && { ...current, ownerUpSince: undefined }
  const holderId = claimants.find(isUp) ?? current?.holderId
  return holderId === undefined ? undefined : { ownerId, holderId, ownerUpSince: undefined }
}

/** One line for people. */
export const describeHolding = (prefix: Prefix, { ownerId, holderId }: Holding): string =>
  `${prefix} is with affiliate ${holderId} while ${ownerId}, which claims it first, is down`
