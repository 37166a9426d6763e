import { MSS_OVERHEAD_V4_BYTES, MSS_OVERHEAD_V6_BYTES, OLDER } from '../model/constants.ts'
import type { Bypass, DesiredState } from '../model/desired.ts'
import { allBut, hex } from '../model/mark-words.ts'
import { sparedSources } from './forwarded-sources.ts'
import type { NftChain } from './nft-types.ts'
import { PRIORITY_FILTER, PRIORITY_MANGLE } from './nft-words.ts'
import { PRIORITY_AFTER_FILTERS } from './return-path.ts'

/** Which packets are given the mark that leads into the tunnel, and which are not although they are for the mesh. */
export function planMarking(desired: DesiredState): NftChain[] {
  const { mtuBytes, bypass, forwarding, placement } = desired
  const intoTunnel = [
    clamp('ip daddr @routed_v4', mtuBytes - MSS_OVERHEAD_V4_BYTES),
    clamp('ip6 daddr @routed_v6', mtuBytes - MSS_OVERHEAD_V6_BYTES),
    mark('ip daddr @routed_v4', desired),
    mark('ip6 daddr @routed_v6', desired),
  ]
  return [
    {
      name: 'kubespan_prerouting',
      type: 'filter',
      hook: 'prerouting',
      priority: PRIORITY_AFTER_FILTERS,
      rules: [
        NEIGHBOUR_DISCOVERY,
        ...answerOutside(bypass),
        ...FOR_THIS_HOST,
        ...sparedSources(forwarding, placement),
        ...intoTunnel,
      ],
    },
    planUnmark(desired),
    {
      name: 'kubespan_outgoing',
      type: 'route',
      hook: 'output',
      priority: PRIORITY_FILTER,
      rules: [
        'oifname "lo" accept',
        ...ofWireGuard(desired),
        NEIGHBOUR_DISCOVERY,
        ...passBy(desired),
        ...answerOlder(bypass),
        ...intoTunnel,
      ],
    },
  ]
}

/**
 * A packet is routed anew only when the chain that marks has changed its mark. One that somebody gave a mark like ours, without
 * having it routed, would stay on its first way.
 */
const planUnmark = ({
  placement: { fwmarkMask, routeFwmark },
}: Pick<DesiredState, 'placement'>): NftChain => ({
  name: 'kubespan_unmark',
  type: 'filter',
  hook: 'output',
  priority: PRIORITY_FILTER - 1,
  rules: ['ip daddr @routed_v4', 'ip6 daddr @routed_v6'].map(
    (match) =>
      `meta mark & ${hex(fwmarkMask)} == ${hex(routeFwmark)} ${match} meta mark set meta mark & ${allBut(fwmarkMask)}`,
  ),
})

/** Of what this host sends: what is for the mesh and leaves outside the tunnel, besides the tunnel's own packets and the link's. */
export const passBy = ({ bypass }: Pick<DesiredState, 'bypass'>): string[] => [
  ...DHCP,
  'ip daddr . tcp dport @bypass_v4 accept',
  'ip6 daddr . tcp dport @bypass_v6 accept',
  ...answerOutside(bypass),
  ...answerFromPort(bypass),
]

/**
 * Others' marks may share our bits, so the mark alone says nothing; nobody but WireGuard sends from its port. Who sets the marks of
 * all packets takes WireGuard's away, and what it sends would go into the tunnel again, and again.
 */
const ofWireGuard = ({
  placement: { listenPort, fwmarkMask, wireguardFwmark },
}: Pick<DesiredState, 'placement'>): string[] => [
  `udp sport ${listenPort} meta mark & ${hex(fwmarkMask)} == ${hex(wireguardFwmark)} accept`,
  `udp sport ${listenPort} meta mark set meta mark & ${allBut(fwmarkMask)} | ${hex(wireguardFwmark)} accept`,
]

/**
 * Whoever shares a link finds its hardware addresses by these, from unicast to unicast too, and no tunnel is up without them. With
 * another hop limit it is no neighbour discovery (RFC 4861, 7.1), and may be anything.
 */
export const NEIGHBOUR_DISCOVERY = 'ip6 hoplimit 255 icmpv6 type 133-137 accept'

/**
 * The node's own address is within the mesh, and others of this host may be within what peers claim. Where somebody has moved the
 * kernel's rule for local addresses behind ours, as VRFs have it, the mark would send what has arrived back into the tunnel.
 */
const FOR_THIS_HOST = ['ip daddr @routed_v4', 'ip6 daddr @routed_v6'].map(
  (match) => `${match} fib daddr type local accept`,
)

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

const mark = (
  match: string,
  { placement: { fwmarkMask, routeFwmark } }: Pick<DesiredState, 'placement'>,
): string => `${match} meta mark set meta mark & ${allBut(fwmarkMask)} | ${hex(routeFwmark)} accept`

/** Only with local ports: the first rule that asks for a connection makes the kernel track them all. */
const withLocalPorts = (
  bypass: Bypass | undefined,
  rules: (mark: string) => readonly string[],
): readonly string[] =>
  bypass === undefined || bypass.localPorts.length === 0 ? [] : rules(hex(bypass.conntrackMark))

const answerOutside = (bypass: Bypass | undefined): readonly string[] =>
  withLocalPorts(bypass, (mark) => [`ct direction reply ct mark & ${mark} == ${mark} accept`])

/**
 * Connections that are older than this table are known one by one, until their mark is set. The direction that they are
 * tracked in is that of the first packet that was seen of them.
 */
const answerFromPort = (bypass: Bypass | undefined): readonly string[] =>
  withLocalPorts(bypass, (mark) => [`tcp sport @bypass_ports ct mark & ${mark} == ${mark} accept`])

const answerOlder = (bypass: Bypass | undefined): readonly string[] =>
  withLocalPorts(bypass, (mark) => [
    `ip daddr . tcp dport . tcp sport @${OLDER.setV4} ct mark set ct mark | ${mark} accept`,
    `ip6 daddr . tcp dport . tcp sport @${OLDER.setV6} ct mark set ct mark | ${mark} accept`,
  ])

/** Before destinations are translated, so that a service in a container is seen under the port it is called by. */
export const planInbound = ({
  placement: { linkName },
  bypass,
}: Pick<DesiredState, 'placement' | 'bypass'>): NftChain[] => {
  const rules = withLocalPorts(bypass, (mark) => [
    `iifname != "lo" iifname != "${linkName}" fib daddr type local tcp dport @bypass_ports ` +
      `ct direction original ct mark set ct mark | ${mark}`,
  ])
  return rules.length === 0
    ? []
    : [{ name: 'kubespan_inbound', type: 'filter', hook: 'prerouting', priority: PRIORITY_MANGLE, rules }]
}
