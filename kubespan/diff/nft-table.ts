import { familyOf, type Prefix, prefixOf, splitAddressPort } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import { OLDER, STRAYS_COUNTER } from '../model/constants.ts'
import type { DesiredState } from '../model/desired.ts'
import { ownSets } from './forwarded-sources.ts'
import { dropLocalSources, localSets } from './local-sources.ts'
import { planGuard } from './nft-guard.ts'
import { planInbound, planMarking } from './nft-marking.ts'
import type { NftChain, NftSet, NftTable } from './nft-types.ts'
import { planNotNested, planRace } from './nft-wireguard.ts'
import { returnPathChains } from './return-path.ts'

/** Chains that may stand in our table although they are not wanted at the moment. */
export const OCCASIONAL_CHAINS = ['kubespan_inbound', 'kubespan_race']

/** The set of TCP ports here that are answered outside the tunnel when they are called from there. */
export const GUARDED_PORTS = 'bypass_ports'

/** SPEC 6.6 with named sets; see docs/adr/0010. */
export function planNftTable(desired: DesiredState): NftTable {
  return { counters: [STRAYS_COUNTER], sets: planSets(desired), chains: planChains(desired) }
}

function planSets({
  routedV4,
  routedV6,
  address,
  addressBits,
  bypass,
  local,
  forwarding,
}: DesiredState): NftSet[] {
  const destinations = (family: 4 | 6): string[] =>
    (bypass?.destinations ?? [])
      .filter((destination) => familyOf(destination) === family)
      .map(splitAddressPort)
      .map((goal) => `${goal.address} . ${goal.port}`)
  // The mesh's own prefix is reached through the link's address, but only as long as the link is up.
  const meshV6 = PrefixSet.of([...routedV6, prefixOf(address, addressBits)]).toPrefixes()
  return [
    { name: 'routed_v4', type: ['ipv4_addr'], isInterval: true, elements: routedV4.map(element) },
    { name: 'routed_v6', type: ['ipv6_addr'], isInterval: true, elements: meshV6.map(element) },
    { name: 'bypass_v4', type: ['ipv4_addr', 'inet_service'], isInterval: false, elements: destinations(4) },
    { name: 'bypass_v6', type: ['ipv6_addr', 'inet_service'], isInterval: false, elements: destinations(6) },
    {
      name: GUARDED_PORTS,
      type: ['inet_service'],
      isInterval: false,
      elements: (bypass?.localPorts ?? []).map(String),
    },
    ...olderSets(),
    ...localSets(local, element),
    ...ownSets(forwarding, element),
  ]
}

/** By the remote address and port, and ours. */
const olderSets = (): NftSet[] =>
  (['ipv4_addr', 'ipv6_addr'] as const).map((type) => ({
    name: type === 'ipv4_addr' ? OLDER.setV4 : OLDER.setV6,
    type: [type, 'inet_service', 'inet_service'],
    isInterval: false,
    timeoutSeconds: OLDER.timeoutSeconds,
    elements: [],
  }))

/** `nft` prints a single address without its length. */
const element = (prefix: Prefix): string => prefix.replace(/^(\d+\..*)\/32$|^(.*:.*)\/128$/, '$1$2')

const planChains = (desired: DesiredState): NftChain[] => [
  ...planInbound(desired),
  ...planRace(desired),
  planNotNested(desired),
  ...returnPathChains(desired.placement, dropLocalSources(desired.placement)),
  ...planMarking(desired),
  planGuard(desired),
]
