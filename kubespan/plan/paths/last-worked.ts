import { type AddressPort, maskPrefix, prefixOf } from '../../../shared/net/address.ts'
import { isUsable, type ObservedLink } from '../../model/observed.ts'
import type { PeerStatus, PublicKey } from '../../model/peer.ts'

/** Where peers were reached from the networks that this host was on, the latest network first. */
export type PathMemory = readonly NetworkPaths[]

export interface NetworkPaths {
  readonly network: string
  /** The longest unchanged first. */
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
}

/** What a machine that travels comes back to, and no more. */
const NETWORKS_MAX = 16
const PEERS_MAX = 2000

/** A name for where this host is now: the prefixes that its links are on. Bridges and tunnels come and go and say little. */
export function networkOf(links: readonly ObservedLink[], ownLinkName: string): string {
  const placed = links
    .filter(({ name, isUp, leadsNowhere }) => isUp && leadsNowhere === undefined && name !== ownLinkName)
    .flatMap(({ isPhysical, addresses }) =>
      addresses
        .filter(
          (observed) => isUsable(observed) && (observed.scope === 'global' || observed.scope === 'site'),
        )
        .map(({ address, bits }) => ({ isPhysical, prefix: maskPrefix(prefixOf(address, bits)) })),
    )
  const physical = placed.filter(({ isPhysical }) => isPhysical)
  const telling = physical.length > 0 ? physical : placed
  return [...new Set(telling.map(({ prefix }) => prefix))].sort().join(' ')
}

export const pathsOn = (memory: PathMemory, network: string): ReadonlyMap<PublicKey, AddressPort> =>
  memory.find((one) => one.network === network)?.endpoints ?? new Map()

/** With where the peers that are up are reached now; the same value when that is nothing new. */
export function rememberPaths(
  memory: PathMemory,
  network: string,
  statuses: ReadonlyMap<PublicKey, PeerStatus>,
): PathMemory {
  const known = pathsOn(memory, network)
  const news = new Map<PublicKey, AddressPort>()
  for (const [key, { state, endpoint }] of statuses)
    if (state === 'up' && endpoint !== undefined && known.get(key) !== endpoint) news.set(key, endpoint)
  if (news.size === 0) return memory
  const endpoints = [...[...known].filter(([key]) => !news.has(key)), ...news].slice(-PEERS_MAX)
  const others = memory.filter((one) => one.network !== network)
  return [{ network, endpoints: new Map(endpoints) }, ...others].slice(0, NETWORKS_MAX)
}
