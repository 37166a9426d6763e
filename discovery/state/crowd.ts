import type { Affiliate } from './affiliate-bytes.ts'
import type { Rights } from './rights.ts'

/** How many affiliates of one cluster may come from one client address; 0 for any number. */
export interface OriginLimits {
  readonly all: number
  /** Of a cluster that has a write key, those that no member has written. */
  readonly unproven: number
}

export const NO_LIMITS: OriginLimits = { all: 0, unproven: 0 }

/**
 * The limit that counts for one more affiliate, and whether it counts only what no member has written. Members have none, where the
 * operator says who they are: the key that came first may be a stranger's.
 */
export function limitOf(
  rights: Rights,
  { all, unproven }: OriginLimits,
  isListed: boolean,
): { readonly most: number; readonly isOfUnproven: boolean } {
  if (rights === 'member') return { most: isListed ? 0 : all, isOfUnproven: false }
  return rights === 'open' ? { most: all, isOfUnproven: false } : { most: unproven, isOfUnproven: true }
}

/**
 * Whether so many affiliates of the cluster come from one origin that it may not add another. They are counted only in clusters
 * where that can be, so that the others pay nothing.
 */
export function isCrowded(
  cluster: ReadonlyMap<string, Affiliate>,
  origin: string | undefined,
  rights: Rights,
  limits: OriginLimits,
  isListed: boolean,
): boolean {
  const { most, isOfUnproven } = limitOf(rights, limits, isListed)
  if (most === 0 || origin === undefined || cluster.size < most) return false
  let count = 0
  for (const affiliate of cluster.values())
    if (affiliate.origin === origin && !(isOfUnproven && affiliate.isProven)) count += 1
  return count >= most
}

/**
 * What goes when a full cluster is to take one more from a member of whom the operator has said so: what no member has written and
 * is over first.
 */
export function toMakeRoom(
  cluster: ReadonlyMap<string, Affiliate>,
  rights: Rights,
  isListed: boolean,
): Affiliate | undefined {
  if (rights !== 'member' || !isListed) return undefined
  let first: Affiliate | undefined
  for (const affiliate of cluster.values())
    if (!affiliate.isProven && (first === undefined || affiliate.expiresAt < first.expiresAt))
      first = affiliate
  return first
}
