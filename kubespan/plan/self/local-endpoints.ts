import { AFFILIATE_ENDPOINTS_MAX } from '../../../shared/affiliate/codec.ts'
import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import {
  type Address,
  type AddressPort,
  addressPortOf,
  isCarrierNat,
  isLinkLocal,
  isLoopback,
  isMulticast,
} from '../../../shared/net/address.ts'
import { filterAddresses } from '../../../shared/net/endpoint-filter.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { AnnouncedEndpoint } from '../../model/settings.ts'
import { bestFirst } from './best-first.ts'
import type { DroppedAddress } from './select-addresses.ts'

export interface LocalEndpointsInput {
  /** The current list of `selectAddresses`. */
  readonly currentAddresses: readonly Address[]
  /** To know which are the best, should there be too many. Absent: none is better than another. */
  readonly links?: readonly ObservedLink[]
  /** As the discovery services see us, the most trusted first. */
  readonly publicAddresses: readonly Address[]
  /** Our own address in the mesh: never an endpoint of the mesh. */
  readonly ownAddress: Address
  readonly listenPort: number
  /** Undefined: no filter. Empty: nothing passes (SPEC 9, N6). */
  readonly endpointFilters: readonly string[] | undefined
  readonly extraAnnouncedEndpoints: readonly AnnouncedEndpoint[]
}

export interface LocalEndpoints {
  /** In the order in which peers are to try them. */
  readonly endpoints: readonly AddressPort[]
  /** Those of them that are configured, with the address that `auto:` stands for, whether they are taken or not. */
  readonly announced: readonly AddressPort[]
  /** Beyond what a discovery service takes. */
  readonly leftOut: readonly AddressPort[]
  readonly dropped: readonly DroppedAddress[]
  readonly warnings: readonly string[]
}

/**
 * Where peers can reach this node (SPEC 3.4): its own addresses, the public ones, and what was configured. What lies behind the NAT of
 * a provider reaches few, so it comes after all that may be public.
 */
export function planLocalEndpoints(input: LocalEndpointsInput): LocalEndpoints {
  const { currentAddresses, publicAddresses, endpointFilters, listenPort } = input
  const judged = [...new Set([...currentAddresses, ...publicAddresses])].map((address) => ({
    address,
    reason: reasonAgainst(address, input.ownAddress),
  }))
  const useful = judged.filter(({ reason }) => reason === undefined).map(({ address }) => address)
  const usable = [...useful.filter((address) => !isCarrierNat(address)), ...useful.filter(isCarrierNat)]
  const passed = endpointFilters === undefined ? usable : filterAddresses(usable, endpointFilters)

  const reachable = new Set(publicAddresses.filter((address) => usable.includes(address)))
  const extra = input.extraAnnouncedEndpoints.flatMap((endpoint) =>
    typeof endpoint === 'string'
      ? [endpoint]
      : Array.from(reachable, (address) => addressPortOf(address, endpoint.autoPort)),
  )
  const own = (addresses: readonly Address[]) =>
    addresses.map((address) => addressPortOf(address, listenPort))
  const all = [...new Set([...own(passed), ...extra])]
  const endpoints =
    all.length <= AFFILIATE_ENDPOINTS_MAX ? all : theBest(own(bestFirst(input.links ?? [], passed)), extra)
  return {
    endpoints,
    announced: extra,
    leftOut: all.filter((endpoint) => !endpoints.includes(endpoint)),
    dropped: [
      ...judged.flatMap(({ address, reason }) => (reason === undefined ? [] : [{ address, reason }])),
      ...usable
        .filter((address) => !passed.includes(address))
        .map((address) => ({ address, reason: 'the endpoint filters' })),
    ],
    warnings:
      usable.length > 0 && passed.length === 0
        ? [
            endpointFilters?.length === 0
              ? 'the list of endpoint filters is empty, which drops every endpoint of this node'
              : 'the endpoint filters drop every endpoint of this node',
          ]
        : [],
  }
}

/** The best of our own and what was configured have half of the room each, and what either leaves is the other's. */
function theBest(own: readonly AddressPort[], extra: readonly AddressPort[]): readonly AddressPort[] {
  const others = [...new Set(extra)].filter((endpoint) => !own.includes(endpoint))
  const half = AFFILIATE_ENDPOINTS_MAX / 2
  const ownCount = Math.max(half, AFFILIATE_ENDPOINTS_MAX - others.length)
  const kept = own.slice(0, ownCount)
  return [...kept, ...others.slice(0, AFFILIATE_ENDPOINTS_MAX - kept.length)]
}

/**
 * A discovery service on this very host sees us at a loopback address, one that is reached through the mesh at our own;
 * neither is of use to a peer.
 */
function reasonAgainst(address: Address, ownAddress: Address): string | undefined {
  if (address === ownAddress) return 'our own address in the mesh'
  if (isUlaOfPurpose(address, ULA_PURPOSE.siderolink)) return 'a SideroLink address'
  return isLoopback(address) || isLinkLocal(address) || isMulticast(address)
    ? 'reaches nobody else'
    : undefined
}
