import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import {
  type Address,
  type AddressPort,
  addressPortOf,
  isLinkLocal,
  isLoopback,
  isMulticast,
} from '../../../shared/net/address.ts'
import { filterAddresses } from '../../../shared/net/endpoint-filter.ts'
import type { AnnouncedEndpoint } from '../../model/settings.ts'
import type { DroppedAddress } from './select-addresses.ts'

export interface LocalEndpointsInput {
  /** The current list of `selectAddresses`. */
  readonly currentAddresses: readonly Address[]
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
  readonly dropped: readonly DroppedAddress[]
  readonly warnings: readonly string[]
}

/** Where peers can reach this node (SPEC 3.4): its own addresses, the public ones, and what was configured. */
export function planLocalEndpoints(input: LocalEndpointsInput): LocalEndpoints {
  const { currentAddresses, publicAddresses, endpointFilters, listenPort } = input
  const judged = [...new Set([...currentAddresses, ...publicAddresses])].map((address) => ({
    address,
    reason: reasonAgainst(address, input.ownAddress),
  }))
  const usable = judged.filter(({ reason }) => reason === undefined).map(({ address }) => address)
  const passed = endpointFilters === undefined ? usable : filterAddresses(usable, endpointFilters)

  const reachable = new Set(publicAddresses.filter((address) => usable.includes(address)))
  const extra = input.extraAnnouncedEndpoints.flatMap((endpoint) =>
    typeof endpoint === 'string'
      ? [endpoint]
      : Array.from(reachable, (address) => addressPortOf(address, endpoint.autoPort)),
  )
  return {
    endpoints: [...new Set([...passed.map((address) => addressPortOf(address, listenPort)), ...extra])],
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
