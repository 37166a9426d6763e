import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import {
  type Address,
  compareAddresses,
  isLinkLocal,
  isLoopback,
  isMulticast,
  type Prefix,
  parseAddress,
  prefixContains,
} from '../../../shared/net/address.ts'
import type { ObservedAddress, ObservedLink } from '../../model/observed.ts'

/** Talos answers DNS for its own host on it: the same address everywhere. */
const HOST_DNS_ADDRESS = parseAddress('fd54:616c:6f73::204f:5320:444e:531')

export interface AddressSources {
  readonly links: readonly ObservedLink[]
  /** Addresses that reach this machine although no link carries them, as a cloud platform knows. */
  readonly externalAddresses: readonly Address[]
  /** Pod and service networks: what lies inside them is not the node's own ("no-k8s"). */
  readonly kubernetesNetworks: readonly Prefix[]
}

export interface AddressSelection {
  /** Where packets for this node may be sent to from outside: the base of its endpoints. Ascending, distinct. */
  readonly current: readonly Address[]
  /** What this node accepts packets for inside the mesh. Ascending, distinct. */
  readonly routed: readonly Address[]
  /** Every decision against an address, for the log. */
  readonly dropped: readonly DroppedAddress[]
}

export interface DroppedAddress {
  readonly address: Address
  readonly reason: string
}

/** The address lists of SPEC 3.4, without what belongs to Kubernetes. */
export function selectAddresses(sources: AddressSources): AddressSelection {
  const own = sources.links.flatMap((link) =>
    link.addresses.map((observed) => ({
      address: observed.address,
      isExternal: false,
      reason: reasonAgainst(link, observed),
    })),
  )
  const external = sources.externalAddresses.map((address) => ({
    address,
    isExternal: true,
    reason: undefined,
  }))
  const judged = [...own, ...external].map(({ address, isExternal, reason }) => ({
    address,
    isExternal,
    reason: reason ?? reasonOfKubernetes(address, sources.kubernetesNetworks),
  }))

  const current = judged.filter(({ reason }) => reason === undefined)
  return {
    current: sorted(current),
    routed: sorted(
      current.filter(
        ({ address, isExternal }) => !isExternal && !isUlaOfPurpose(address, ULA_PURPOSE.siderolink),
      ),
    ),
    dropped: judged.flatMap(({ address, reason }) => (reason === undefined ? [] : [{ address, reason }])),
  }
}

const sorted = (of: readonly { readonly address: Address }[]): Address[] =>
  [...new Set(of.map(({ address }) => address))].sort(compareAddresses)

function reasonAgainst(link: ObservedLink, { address, scope }: ObservedAddress): string | undefined {
  if (!link.isUp) return `link ${link.name} is down`
  if (link.isPhysical && !link.hasCarrier) return `link ${link.name} has no carrier`
  if (scope !== 'global' && scope !== 'site') return `of scope ${scope}`
  if (isLoopback(address)) return 'loopback'
  if (isMulticast(address)) return 'multicast'
  if (isLinkLocal(address)) return 'link-local'
  return address === HOST_DNS_ADDRESS ? 'the host DNS address' : undefined
}

function reasonOfKubernetes(address: Address, networks: readonly Prefix[]): string | undefined {
  const network = networks.find((prefix) => prefixContains(prefix, address))
  return network === undefined ? undefined : `inside the Kubernetes network ${network}`
}
