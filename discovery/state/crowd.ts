import type { Affiliate } from './affiliate-bytes.ts'

/**
 * Whether so many affiliates of the cluster come from one origin that it may not add another. They are counted only in clusters
 * where that can be, so that the others pay nothing. `most` is 0 for any number.
 */
export function isCrowded(
  cluster: ReadonlyMap<string, Affiliate>,
  origin: string | undefined,
  most: number,
): boolean {
  if (most === 0 || origin === undefined || cluster.size < most) return false
  let count = 0
  for (const affiliate of cluster.values()) if (affiliate.origin === origin) count += 1
  return count >= most
}
