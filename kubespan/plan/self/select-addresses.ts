import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import {
  type Address,
  compareAddresses,
  familyOf,
  isLinkLocal,
  isLoopback,
  isMulticast,
  maskPrefix,
  type Prefix,
  parseAddress,
  prefixContains,
  prefixOf,
} from '../../../shared/net/address.ts'
import { isUsable, type ObservedAddress, type ObservedLink } from '../../model/observed.ts'

/** Talos answers DNS for its own host on it: the same address everywhere. */
const HOST_DNS_ADDRESS = parseAddress('fd54:616c:6f73::204f:5320:444e:531')

export interface AddressSources {
  readonly links: readonly ObservedLink[]
  /** Addresses that reach this machine although no link carries them, as a cloud platform knows. */
  readonly externalAddresses: readonly Address[]
  /** Pod and service networks: what lies inside them is not the node's own ("no-k8s"). */
  readonly kubernetesNetworks: readonly Prefix[]
}

/** What became of one address, and why. */
export interface AddressVerdict {
  readonly address: Address
  /** Undefined for an external one. */
  readonly link: string | undefined
  /** Why packets are not to be sent to it from outside; undefined: they may be. */
  readonly notReached: string | undefined
  /** Why packets for it are not accepted inside the mesh; undefined: they are. */
  readonly notRouted: string | undefined
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

/** The address lists of SPEC 3.4, without what belongs to Kubernetes, and without what the kernel itself does not use. */
export const selectAddresses = (sources: AddressSources): AddressSelection =>
  chooseFrom(judgeAddresses(sources))

/** The lists that verdicts make. */
export function chooseFrom(verdicts: readonly AddressVerdict[]): AddressSelection {
  return {
    current: sorted(verdicts.filter(({ notReached }) => notReached === undefined)),
    routed: sorted(verdicts.filter(({ notRouted }) => notRouted === undefined)),
    dropped: verdicts.flatMap(({ address, notReached }) =>
      notReached === undefined ? [] : [{ address, reason: notReached }],
    ),
  }
}

/** One verdict for every address, in the order in which they were found. */
export function judgeAddresses(sources: AddressSources): readonly AddressVerdict[] {
  const { links, externalAddresses, kubernetesNetworks } = sources
  const own = links.flatMap((link) =>
    link.addresses.map((observed): AddressVerdict => {
      const { address } = observed
      const reason = reasonAgainst(link, observed) ?? reasonOfKubernetes(address, kubernetesNetworks)
      const isManagement = isUlaOfPurpose(address, ULA_PURPOSE.siderolink)
      return {
        address,
        link: link.name,
        notReached: reason ?? reasonOfAge(link, observed),
        notRouted: reason ?? (isManagement ? 'a SideroLink address' : undefined),
      }
    }),
  )
  const external = externalAddresses.map((address): AddressVerdict => {
    const reason = reasonOfKubernetes(address, kubernetesNetworks)
    return { address, link: undefined, notReached: reason, notRouted: reason ?? 'no link has it' }
  })
  return [...own, ...external]
}

const sorted = (of: readonly { readonly address: Address }[]): Address[] =>
  [...new Set(of.map(({ address }) => address))].sort(compareAddresses)

function reasonAgainst(link: ObservedLink, observed: ObservedAddress): string | undefined {
  const { address, scope, flags = [] } = observed
  if (link.leadsNowhere !== undefined) return link.leadsNowhere
  if (!link.isUp) return `link ${link.name} is down`
  if (link.isPhysical && !link.hasCarrier) return `link ${link.name} has no carrier`
  if (scope !== 'global' && scope !== 'site') return `of scope ${scope}`
  if (isLoopback(address)) return 'loopback'
  if (isMulticast(address)) return 'multicast'
  if (isLinkLocal(address)) return 'link-local'
  if (address === HOST_DNS_ADDRESS) return 'the host DNS address'
  if (isUsable(observed)) return undefined
  return flags.includes('dadfailed')
    ? 'another machine on the link has it (dadfailed)'
    : 'whether another machine on the link has it is not known yet (tentative)'
}

/** Packets to it arrive, and this host still sends from it; but whoever begins something new had better take another one. */
function reasonOfAge(
  { addresses }: ObservedLink,
  { address, flags = [] }: ObservedAddress,
): string | undefined {
  if (flags.includes('deprecated')) return 'deprecated'
  if (!flags.includes('temporary')) return undefined
  const network = maskPrefix(prefixOf(address, TEMPORARY_BITS))
  const isLasting = (other: ObservedAddress): boolean =>
    familyOf(other.address) === 6 &&
    prefixContains(network, other.address) &&
    isUsable(other) &&
    !other.flags?.some((flag) => flag === 'temporary' || flag === 'deprecated')
  const lasting = addresses.find(isLasting)
  return lasting && `temporary, and ${lasting.address} beside it lasts`
}

/** RFC 8981: a temporary address is another one in the /64 of the address beside it. */
const TEMPORARY_BITS = 64

function reasonOfKubernetes(address: Address, networks: readonly Prefix[]): string | undefined {
  const network = networks.find((prefix) => prefixContains(prefix, address))
  return network === undefined ? undefined : `inside the Kubernetes network ${network}`
}
