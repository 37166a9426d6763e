import { familyOf, type Prefix, prefixOf, splitAddressPort } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import { MSS_OVERHEAD_V4_BYTES, MSS_OVERHEAD_V6_BYTES, OLDER } from '../model/constants.ts'
import type { Bypass, DesiredState, Placement } from '../model/desired.ts'
import { ownSets, sparedSources } from './forwarded-sources.ts'
import { dropLocalSources, localSets } from './local-sources.ts'
import { PRIORITY_AFTER_FILTERS, returnPathChains } from './return-path.ts'

export interface NftSet {
  readonly name: string
  /** One word per field, as `ipv4_addr` and `inet_service`. */
  readonly type: readonly string[]
  readonly isInterval: boolean
  /** Of sets whose elements are put there at some moment, and end by themselves: they are not compared. */
  readonly timeoutSeconds?: number
  /** As `nft` reads them: `10.0.0.0/8`, `192.0.2.1 . 443`, `443`. */
  readonly elements: readonly string[]
}

export interface NftChain {
  readonly name: string
  readonly type: 'filter' | 'route'
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output'
  readonly priority: number
  /** In order, without the comment by which a rule of ours is known. */
  readonly rules: readonly string[]
}

/** Everything in our table: sets that follow the peers, and chains that do not. */
export interface NftTable {
  readonly sets: readonly NftSet[]
  readonly chains: readonly NftChain[]
}

/** Numbers of `nft`'s priority names. Connections are tracked at -200, destinations translated at -100. */
const PRIORITY_RAW = -300
const PRIORITY_MANGLE = -150
const PRIORITY_FILTER = 0

/** Chains that may stand in our table although they are not wanted at the moment. */
export const OCCASIONAL_CHAINS = ['kubespan_inbound', 'kubespan_race']

/** SPEC 6.6 with named sets; see docs/adr/0010. */
export function planNftTable(desired: DesiredState): NftTable {
  return { sets: planSets(desired), chains: planChains(desired) }
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
      name: 'bypass_ports',
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

function planChains({ placement, mtuBytes, bypass, racePort, forwarding }: DesiredState): NftChain[] {
  const { linkName, wireguardFwmark, routeFwmark, fwmarkMask } = placement
  const keep = hex(~fwmarkMask >>> 0)
  const fromWireGuard = `meta mark & ${hex(fwmarkMask)} == ${hex(wireguardFwmark)} accept`
  const answers = answerOutside(bypass)
  const intoTunnel = [
    clamp('ip daddr @routed_v4', mtuBytes - MSS_OVERHEAD_V4_BYTES),
    clamp('ip6 daddr @routed_v6', mtuBytes - MSS_OVERHEAD_V6_BYTES),
    `ip daddr @routed_v4 meta mark set meta mark & ${keep} | ${hex(routeFwmark)} accept`,
    `ip6 daddr @routed_v6 meta mark set meta mark & ${keep} | ${hex(routeFwmark)} accept`,
  ]
  return [
    ...(bypass === undefined || answers.length === 0 ? [] : [inbound(bypass, linkName)]),
    ...(racePort === undefined ? [] : [race(racePort, placement)]),
    notNested(placement),
    ...returnPathChains(placement, dropLocalSources(placement)),
    {
      name: 'kubespan_prerouting',
      type: 'filter',
      hook: 'prerouting',
      priority: PRIORITY_AFTER_FILTERS,
      rules: [
        fromWireGuard,
        NEIGHBOUR_DISCOVERY,
        ...answers,
        ...sparedSources(forwarding, placement),
        ...intoTunnel,
      ],
    },
    {
      name: 'kubespan_outgoing',
      type: 'route',
      hook: 'output',
      priority: PRIORITY_FILTER,
      rules: [
        fromWireGuard,
        'oifname "lo" accept',
        NEIGHBOUR_DISCOVERY,
        ...DHCP,
        'ip daddr . tcp dport @bypass_v4 accept',
        'ip6 daddr . tcp dport @bypass_v6 accept',
        ...answers,
        ...(bypass === undefined || answers.length === 0 ? [] : answerOlder(bypass)),
        ...intoTunnel,
      ],
    },
  ]
}

/**
 * Whoever shares a link finds its hardware addresses by these, from unicast to unicast too, and no tunnel is up without them. With
 * another hop limit it is no neighbour discovery (RFC 4861, 7.1), and may be anything.
 */
const NEIGHBOUR_DISCOVERY = 'ip6 hoplimit 255 icmpv6 type 133-137 accept'

/** Renewals of a lease go straight to the server, and a server on the same link answers straight. */
const DHCP = [
  ['68', '67'],
  ['67', '68'],
  ['546', '547'],
  ['547', '546'],
].map(([from, to]) => `udp sport ${from} udp dport ${to} accept`)

/** PMTU discovery does not work inside the tunnel, so both ends are told before they begin. */
const clamp = (match: string, limit: number): string =>
  `${match} tcp flags & (syn|rst) == syn tcp option maxseg size > ${limit} tcp option maxseg size set ${limit}`

/** Only with local ports: the first rule that asks for a connection makes the kernel track them all. */
const answerOutside = (bypass: Bypass | undefined): string[] =>
  bypass === undefined || bypass.localPorts.length === 0
    ? []
    : [`ct direction reply ct mark & ${hex(bypass.conntrackMark)} == ${hex(bypass.conntrackMark)} accept`]

/**
 * Connections that are older than this table are known one by one, until their mark is set. The direction that they are
 * tracked in is that of the first packet that was seen of them.
 */
const answerOlder = ({ conntrackMark }: Bypass): string[] => [
  `tcp sport @bypass_ports ct mark & ${hex(conntrackMark)} == ${hex(conntrackMark)} accept`,
  `ip daddr . tcp dport . tcp sport @${OLDER.setV4} ct mark set ct mark | ${hex(conntrackMark)} accept`,
  `ip6 daddr . tcp dport . tcp sport @${OLDER.setV6} ct mark set ct mark | ${hex(conntrackMark)} accept`,
]

/** Before destinations are translated, so that a service in a container is seen under the port it is called by. */
const inbound = ({ conntrackMark }: Bypass, linkName: string): NftChain => ({
  name: 'kubespan_inbound',
  type: 'filter',
  hook: 'prerouting',
  priority: PRIORITY_MANGLE,
  rules: [
    `iifname != "lo" iifname != "${linkName}" fib daddr type local tcp dport @bypass_ports ` +
      `ct direction original ct mark set ct mark | ${hex(conntrackMark)}`,
  ],
})

const INITIATION_UDP_BYTES = 156

/**
 * A handshake that comes through a tunnel makes WireGuard call the peer inside that tunnel from then on: everything for it is lost,
 * while both ends seem up.
 */
const notNested = ({ linkName, listenPort }: Placement): NftChain => ({
  name: 'kubespan_input',
  type: 'filter',
  hook: 'input',
  priority: PRIORITY_FILTER,
  rules: [`iifname "${linkName}" udp dport ${listenPort} drop`],
})

/**
 * Copies of the kernel's own initiation leave with WireGuard's port and mark, before connections are tracked: the answer goes to the
 * kernel, NATs learn the right port, and, as the mark has them routed anew, no copy enters a tunnel.
 */
const race = (racePort: number, { listenPort, wireguardFwmark, fwmarkMask }: Placement): NftChain => ({
  name: 'kubespan_race',
  type: 'route',
  hook: 'output',
  priority: PRIORITY_RAW,
  rules: [
    `udp sport ${racePort} udp length ${INITIATION_UDP_BYTES} meta mark set meta mark & ${hex(~fwmarkMask >>> 0)} | ${hex(wireguardFwmark)} udp sport set ${listenPort}`,
  ],
})

const hex = (value: number): string => `0x${value.toString(16)}`
