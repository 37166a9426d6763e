import { INTERNET_V4, INTERNET_V6 } from './attachment.ts'

/**
 * Everything that arrives at the wan router from any box, counted by kind before anything is routed or dropped.
 * Counters in the kernel miss nothing, unlike a capture.
 *
 * `other` is traffic between hosts in clear: what a mesh must never let out.
 */
export const PACKET_KINDS = [
  'initiation',
  'response',
  'cookie',
  'data',
  'discovery',
  'internet',
  'icmp_error',
  'other',
] as const
export type PacketKind = (typeof PACKET_KINDS)[number]

export interface Count {
  readonly packets: number
  readonly bytes: number
}
export type WanCounts = Readonly<Record<PacketKind, Count>>

/** Who sent what to whom in clear: the addresses, the protocol, and how much. */
export interface Leak extends Count {
  readonly from: string
  readonly to: string
  readonly protocol: string
}

/** WireGuard messages by their first four bytes (type, then three zeros), and the length of the UDP packet where it is fixed. */
const WIREGUARD_KINDS = [
  ['initiation', '@th,64,32 0x01000000 udp length 156'],
  ['response', '@th,64,32 0x02000000 udp length 100'],
  ['cookie', '@th,64,32 0x03000000 udp length 72'],
  ['data', '@th,64,32 0x04000000 udp length >= 40'],
] as const

/** The nft script for the wan router. TCP of `discoveryPort` on the internet server is `discovery`. */
export const watchRules = (discoveryPort: number): string => `table inet watch {
${PACKET_KINDS.map((kind) => `  counter ${kind} { }\n`).join('')}
  set leaks4 {
    type ipv4_addr . ipv4_addr . inet_proto
    size 65535
    flags dynamic
    counter
  }
  set leaks6 {
    type ipv6_addr . ipv6_addr . inet_proto
    size 65535
    flags dynamic
    counter
  }
  chain arriving {
    type filter hook prerouting priority raw
    icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-reduction, mld2-listener-report } accept
${WIREGUARD_KINDS.map(([kind, match]) => `    meta l4proto udp ${match} counter name ${kind} accept\n`).join('')}
${internetRules(discoveryPort)}
    icmp type { destination-unreachable, time-exceeded, parameter-problem } counter name icmp_error accept
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } counter name icmp_error accept
    counter name other
    meta nfproto ipv4 add @leaks4 { ip saddr . ip daddr . meta l4proto }
    meta nfproto ipv6 add @leaks6 { ip6 saddr . ip6 daddr . meta l4proto }
  }
}
`

const internetRules = (discoveryPort: number): string =>
  [
    ['ip', INTERNET_V4],
    ['ip6', INTERNET_V6],
  ]
    .flatMap(([family, address]) => [
      `    ${family} daddr ${address} tcp dport ${discoveryPort} counter name discovery accept`,
      `    ${family} saddr ${address} tcp sport ${discoveryPort} counter name discovery accept`,
      `    ${family} daddr ${address} counter name internet accept`,
      `    ${family} saddr ${address} counter name internet accept`,
    ])
    .join('\n')

/** The answer of `nft -j list counters table inet watch`. */
export function parseCounts(json: string): WanCounts {
  const none = PACKET_KINDS.map((kind) => [kind, { packets: 0, bytes: 0 }] as const)
  return Object.fromEntries([...none, ...parseCounters(json)]) as WanCounts
}

/** Any answer of nft about counters, by their names. */
export const parseCounters = (json: string): ReadonlyMap<string, Count> =>
  new Map(
    nftObjects(json).flatMap(({ counter }) =>
      counter === undefined ? [] : [[counter.name, { packets: counter.packets, bytes: counter.bytes }]],
    ),
  )

/** The answer of `nft -j list set inet watch leaks4` (or 6). */
export function parseLeaks(json: string): Leak[] {
  const leaks: Leak[] = []
  for (const { set } of nftObjects(json))
    for (const { elem } of set?.elem ?? []) {
      const [from = '', to = '', protocol = ''] = elem.val.concat.map(String)
      leaks.push({ from, to, protocol, packets: elem.counter.packets, bytes: elem.counter.bytes })
    }
  return leaks
}

interface NftObject {
  readonly counter?: Count & { readonly name: string }
  readonly set?: {
    readonly elem?: readonly {
      readonly elem: { readonly val: { readonly concat: readonly unknown[] }; readonly counter: Count }
    }[]
  }
}
const nftObjects = (json: string): readonly NftObject[] =>
  (JSON.parse(json) as { readonly nftables: readonly NftObject[] }).nftables

/** What came after `before`. */
export const countsSince = (before: WanCounts, now: WanCounts): WanCounts =>
  Object.fromEntries(
    PACKET_KINDS.map((kind) => [
      kind,
      { packets: now[kind].packets - before[kind].packets, bytes: now[kind].bytes - before[kind].bytes },
    ]),
  ) as WanCounts

/** All four kinds of WireGuard messages together. */
export const wireguardCount = (counts: WanCounts): Count =>
  WIREGUARD_KINDS.map(([kind]) => counts[kind]).reduce((sum, { packets, bytes }) => ({
    packets: sum.packets + packets,
    bytes: sum.bytes + bytes,
  }))
