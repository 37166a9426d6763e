import type { AddressPort } from '../../../shared/net/address.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'
import { isRelay } from './peer-look.ts'

/** An endpoint that we see working, for others to try (the resource `kubespanendpoints` of SPEC 8). */
export interface HarvestedEndpoint {
  readonly publicKey: PublicKey
  /** The affiliate on whose behalf it is published. */
  readonly nodeId: string
  readonly endpoint: AddressPort
}

/**
 * Where peers that are up were last heard from, in the order of the specs (SPEC 6.4). `unconfirmed` are the node ids of
 * affiliates that no registry vouches for any more: nothing is published for those.
 */
export function planHarvest(
  specs: readonly PeerSpec[],
  statuses: ReadonlyMap<PublicKey, PeerStatus>,
  unconfirmed: ReadonlySet<string> = new Set(),
): HarvestedEndpoint[] {
  return specs.flatMap(({ publicKey, nodeId }) => {
    const { state, endpoint } = statuses.get(publicKey) ?? {}
    const isWorthTelling =
      state === 'up' && endpoint !== undefined && !isRelay(endpoint) && !unconfirmed.has(nodeId)
    return isWorthTelling ? [{ publicKey, nodeId, endpoint }] : []
  })
}

/**
 * Of what was harvested, by node id, what the others do not know already: endpoints that nobody announces, and those that
 * we have announced ourselves and must go on to. In a mesh of n nodes all would else be told by all, n times over.
 */
export function planTelling(
  harvested: readonly HarvestedEndpoint[],
  specs: readonly PeerSpec[],
  told: ReadonlyMap<string, readonly AddressPort[]>,
): ReadonlyMap<string, readonly AddressPort[]> {
  if (harvested.length === 0) return NOBODY
  const announced = new Map(specs.map(({ nodeId, endpoints }) => [nodeId, endpoints]))
  return new Map(
    harvested.flatMap(({ nodeId, endpoint }) => {
      const isNews = announced.get(nodeId)?.includes(endpoint) !== true
      return isNews || told.get(nodeId)?.includes(endpoint) === true ? [[nodeId, [endpoint]]] : []
    }),
  )
}

const NOBODY: ReadonlyMap<string, readonly AddressPort[]> = new Map()
