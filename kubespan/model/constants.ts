import type { Milliseconds } from '../../shared/clock.ts'

/** SPEC 6.5: numbers that every KubeSpan node on the wire, or every user's firewall, already knows. */
export const LISTEN_PORT = 51820
/** Where copies of handshake initiations are sent from before nft rewrites the port. */
export const RACE_PORT = 51819
export const LINK_NAME = 'kubespan'
/** On packets that WireGuard itself sends: they leave natively. */
export const WIREGUARD_FWMARK = 0x20
/** On packets that are to enter the tunnel. */
export const ROUTE_FWMARK = 0x40
/** The only bits of the packet mark that are ours to read or write. */
export const FWMARK_MASK = 0x60
/**
 * On connections that came in outside the tunnel and are answered there. Beyond the mask on purpose: where somebody
 * saves packet marks into connections, a bit of the mask would let mesh traffic out.
 */
export const BYPASS_CONNTRACK_MARK = 0x80
/** On loopback: names and keys of peers are nobody else's business. */
export const METRICS_ADDRESS = '127.0.0.1:9173'
export const ROUTING_TABLE = 180
export const RULE_PRIORITY = 32500
/** After the main table, whose rule is 32766: for packets that it knows no way for. */
export const LAST_RESORT_PRIORITY = 32800
export const ROUTE_METRIC = 1
/** The worst metric there is: the route that is left when the link's own is gone, so that packets die instead of leaving in clear. */
export const UNREACHABLE_METRIC = 4294967295
export const KEEPALIVE_SECONDS = 25
export const MTU_DEFAULT_BYTES = 1420
export const MTU_MIN_BYTES = 1280
export const MTU_MAX_BYTES = 65535
/** IPv4 header 20 + TCP header 20 + room for 12 bytes of TCP options. */
export const MSS_OVERHEAD_V4_BYTES = 52
/** IPv6 header 40 + TCP header 20 + room for 12 bytes of TCP options. */
export const MSS_OVERHEAD_V6_BYTES = 72
/** Put on the link where loose reverse path filtering drops what arrives at a link without IPv4 address. */
export const LINK_IPV4 = '169.254.180.1'

/** SPEC 6.2: reject-after 180 s + rekey timeout 5 s + give-up 90 s: WireGuard's longest honest silence. */
export const PEER_DOWN_AFTER: Milliseconds = 275_000
/** SPEC 6.2: how long a freshly chosen endpoint may stay silent before it counts as wrong. */
export const ENDPOINT_GRACE: Milliseconds = 15_000
/** SPEC 6.4: the longest time between two looks at the world. */
export const RECONCILE_EVERY: Milliseconds = 30_000

/** Connections that were there before our nft table was. Whoever says nothing for longer than this is to call again. */
export const OLDER = { setV4: 'older_v4', setV6: 'older_v6', timeoutSeconds: 3600 } as const
/** In our nft table: packets for the mesh that were dropped because they would have left by another link than ours. */
export const STRAYS_COUNTER = 'strays'
/** What stands in our nft table only for the seconds in which a peer is tried on a better path. */
export const DEAF = { chain: 'kubespan_deaf', setV4: 'deaf_v4', setV6: 'deaf_v6' } as const
