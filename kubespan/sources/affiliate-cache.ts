import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { ClusterKey } from '../../shared/affiliate/seal.ts'
import type { Milliseconds, UnixMilliseconds } from '../../shared/clock.ts'
import { readOwnFile } from '../host/own-files.ts'
import { replaceFile } from './state-file.ts'

/** Older entries say nothing about where a node is today. */
export const CACHE_AGE_MAX_MS: Milliseconds = 24 * 3_600_000

export interface CachedAffiliate {
  readonly affiliate: Affiliate
  /** When a source last vouched for it. */
  readonly confirmedAt: UnixMilliseconds
}

/** So that another sealed text of the cluster is not taken for a cache. */
const FORMAT = 'openspan affiliates 2'

/**
 * The last known affiliates, sealed with the cluster's key: after a reboot the mesh comes up from them although no source of
 * affiliates can be reached. Empty when there is no cache, or none that can be used: it is a help and never a condition.
 */
export async function loadAffiliates(
  path: string,
  key: ClusterKey,
  now: UnixMilliseconds,
): Promise<readonly CachedAffiliate[]> {
  const sealed = await readOwnFile(path).catch(() => undefined)
  const opened = sealed && key.openAffiliate(sealed)
  if (opened === undefined) return []
  const text = Buffer.from(opened).toString('utf8')
  if (!text.startsWith(FORMAT)) return []
  try {
    const entries = JSON.parse(text.slice(FORMAT.length)) as readonly CachedAffiliate[]
    // A clock that has jumped back makes an entry young; one that was wrong when it was written makes it useless at worst.
    return entries.filter(({ confirmedAt }) => now - confirmedAt <= CACHE_AGE_MAX_MS)
  } catch {
    return []
  }
}

/**
 * Replaces the cache in one step, mode 0600.
 * @throws when the directory cannot be written, or is full; the old cache is whole then
 */
export async function saveAffiliates(
  path: string,
  key: ClusterKey,
  entries: readonly CachedAffiliate[],
): Promise<void> {
  const sealed = key.sealAffiliate(Buffer.from(`${FORMAT}${JSON.stringify(entries)}`))
  await replaceFile(path, sealed)
}
