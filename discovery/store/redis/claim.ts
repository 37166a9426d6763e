import { clusterHash } from '../cluster-hash.ts'
import { countCluster } from './clusters-in-redis.ts'
import { KEY_LIFE, keysOf, originKey } from './layout.ts'
import type { Link } from './link.ts'
import { SCRIPTS } from './scripts.ts'

/**
 * Counts a cluster against the address that brings it to life, across all replicas; false when the address has as many
 * as it may. Clusters that hold nothing any more are counted no longer. @throws RedisFailure
 */
export async function claimCluster(
  link: Link,
  origin: string,
  clusterId: string,
  most: number,
): Promise<boolean> {
  const key = originKey(clusterHash(origin))
  const hash = clusterHash(clusterId)
  const counted = await claim(link, key, hash, most)
  if (counted.length === 0) return true
  const sizes = await Promise.all(counted.map((each) => countCluster(link, keysOf(each))))
  const gone = counted.filter((_, index) => sizes[index]?.affiliates === 0)
  if (gone.length === 0) return false
  await link.ask('SREM', key, ...gone)
  return (await claim(link, key, hash, most)).length === 0
}

/** The clusters counted when there are too many; none when this one is counted now. */
async function claim(link: Link, key: string, hash: string, most: number): Promise<readonly string[]> {
  const [, counted] = await link.run(SCRIPTS.claim, [key], [hash, `${most}`, `${KEY_LIFE}`])
  return (counted as readonly Buffer[]).map(String)
}
