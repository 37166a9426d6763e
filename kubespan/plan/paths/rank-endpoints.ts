import {
  type Address,
  type AddressPort,
  familyOf,
  isCarrierNat,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isPrivate,
  maskPrefix,
  type Prefix,
  prefixContains,
  prefixOf,
  splitAddressPort,
} from '../../../shared/net/address.ts'
import { isOurs, isUsable, type ObservedLink } from '../../model/observed.ts'

/** Why an endpoint is tried when it is, best first: the order of this list is the order of preference. */
export const ENDPOINT_CLASSES = [
  'in a preferred range',
  'on a shared link',
  'in a shared private range',
  'worked last',
  'global IPv6',
  'public IPv4',
  'observed',
  'announced with a port of its own',
  'behind the NAT of a provider',
  'private elsewhere',
  'IPv6, which this host lacks',
] as const

export type EndpointClass = (typeof ENDPOINT_CLASSES)[number]

export interface RankedEndpoint {
  readonly endpoint: AddressPort
  readonly class: EndpointClass
  /** 0 for the best class among the candidates, 1 for the next one: how many head starts it is behind. */
  readonly rank: number
}

export interface RankingContext {
  readonly links: readonly ObservedLink[]
  /** The /64 of the mesh: nothing in it leads to the mesh. */
  readonly meshSubnet: Prefix
  /** What worked for this peer on the network where this host is now. */
  readonly lastWorked: AddressPort | undefined
  /** Where WireGuard last heard the peer, whether it advertises that or not. */
  readonly observed: AddressPort | undefined
  readonly preferredRanges: readonly Prefix[]
  /** Empty: everything. */
  readonly allowedRanges: readonly Prefix[]
  readonly deniedRanges: readonly Prefix[]
}

export interface Ranking {
  readonly ranked: readonly RankedEndpoint[]
  readonly dropped: readonly { readonly endpoint: AddressPort; readonly reason: string }[]
}

/** Puts what a peer advertises, and what we saw of it, in the order in which it is to be tried. */
export function rankEndpoints(advertised: readonly AddressPort[], context: RankingContext): Ranking {
  const { lastWorked, observed } = context
  const candidates = [...new Set([...advertised, lastWorked, observed].filter((one) => one !== undefined))]
  const network = ownNetwork(context.links)
  const judged = candidates.map((endpoint) => ({
    endpoint,
    reason: reasonAgainst(endpoint, context, network),
  }))
  const classed = judged
    .filter(({ reason }) => reason === undefined)
    .map(({ endpoint }) => ({ endpoint, class: classify(endpoint, advertised, context, network) }))
  const present = ENDPOINT_CLASSES.filter((name) => classed.some((one) => one.class === name))
  return {
    ranked: classed
      .map((one) => ({ ...one, rank: present.indexOf(one.class) }))
      .sort((a, b) => a.rank - b.rank),
    dropped: judged.flatMap(({ endpoint, reason }) => (reason === undefined ? [] : [{ endpoint, reason }])),
  }
}

interface OwnNetwork {
  readonly addresses: ReadonlySet<Address>
  /** Networks that we are on without a router between. */
  readonly onLink: readonly Prefix[]
  readonly privateRanges: readonly Prefix[]
  readonly hasGlobalIpv6: boolean
}

const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'] as Prefix[]
/** A site has one /48 of unique local addresses (RFC 4193). */
const ULA_SITE_BITS = 48

function ownNetwork(links: readonly ObservedLink[]): OwnNetwork {
  const up = links
    .filter(({ isUp, leadsNowhere }) => isUp && leadsNowhere === undefined)
    .flatMap(({ addresses }) => addresses.filter(isUsable))
  const reaching = up.filter(
    ({ address, scope }) =>
      (scope === 'global' || scope === 'site') && !isLoopback(address) && !isLinkLocal(address),
  )
  return {
    // One that failed duplicate detection is another machine's, and maybe the peer's.
    addresses: new Set(
      links.flatMap(({ addresses }) => addresses.filter(isOurs).map(({ address }) => address)),
    ),
    onLink: reaching.map(({ address, bits }) => maskPrefix(prefixOf(address, bits))),
    privateRanges: [
      ...PRIVATE_RANGES.filter((range) => reaching.some(({ address }) => prefixContains(range, address))),
      ...reaching.filter(isUla).map(({ address }) => maskPrefix(prefixOf(address, ULA_SITE_BITS))),
    ],
    hasGlobalIpv6: reaching.some(({ address }) => familyOf(address) === 6 && !isPrivate(address)),
  }
}

const isUla = ({ address }: { readonly address: Address }): boolean =>
  familyOf(address) === 6 && isPrivate(address)

const within = (ranges: readonly Prefix[], address: Address): boolean =>
  ranges.some((range) => prefixContains(range, address))

function reasonAgainst(
  endpoint: AddressPort,
  { meshSubnet, allowedRanges, deniedRanges }: RankingContext,
  network: OwnNetwork,
): string | undefined {
  const { address, port } = splitAddressPort(endpoint)
  if (port === 0) return 'it has no port'
  if (isLoopback(address) || isMulticast(address) || /^(0\.0\.0\.0|::)$/.test(address)) return 'it is no host'
  if (prefixContains(meshSubnet, address)) return 'it is inside the mesh'
  if (network.addresses.has(address)) return 'it is an address of this host'
  if (within(deniedRanges, address)) return 'its range is denied'
  return allowedRanges.length > 0 && !within(allowedRanges, address) ? 'its range is not allowed' : undefined
}

function classify(
  endpoint: AddressPort,
  advertised: readonly AddressPort[],
  { preferredRanges, lastWorked, observed }: RankingContext,
  network: OwnNetwork,
): EndpointClass {
  const { address, port } = splitAddressPort(endpoint)
  if (within(preferredRanges, address)) return 'in a preferred range'
  if (within(network.onLink, address)) return 'on a shared link'
  if (within(network.privateRanges, address)) return 'in a shared private range'
  if (endpoint === lastWorked) return 'worked last'
  if (endpoint === observed && !advertised.includes(endpoint)) return 'observed'
  if (familyOf(address) === 6 && !isPrivate(address) && !network.hasGlobalIpv6)
    return 'IPv6, which this host lacks'
  // A node advertises its own addresses first (SPEC 3.4), so the first port is the one that it listens on.
  const [first] = advertised
  if (first !== undefined && port !== splitAddressPort(first).port) return 'announced with a port of its own'
  if (isCarrierNat(address)) return 'behind the NAT of a provider'
  if (isPrivate(address) || isLinkLocal(address)) return 'private elsewhere'
  return familyOf(address) === 6 ? 'global IPv6' : 'public IPv4'
}
