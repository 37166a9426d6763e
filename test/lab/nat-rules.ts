import { NAT_BRIDGE } from './attachment.ts'
import type { NatKind } from './topology.ts'

/** A host behind a NAT and the port that its WireGuard port becomes outside. */
export interface PortMapping {
  readonly address: string
  readonly insidePort: number
  readonly outsidePort: number
}

/** Rules before the address is translated, and the translation. */
const MAPPING: Record<NatKind, { readonly remember: string; readonly translate: string }> = {
  'port-restricted': { remember: '', translate: 'masquerade' },
  symmetric: { remember: '', translate: 'masquerade fully-random' },
  // A chain of type nat sees only the first packet of a flow: the mapping would end under flows that live.
  'full-cone': {
    remember:
      'oifname "eth0" meta l4proto udp ip saddr 10.0.0.0/8 update @cone { udp sport : ip saddr . udp sport }',
    translate: 'masquerade',
  },
}

/** The nft script of a NAT box, made once. */
export const natRules = (kind: NatKind): string => `table inet nat {
  map cone {
    type inet_service : ipv4_addr . inet_service
    flags dynamic,timeout
    timeout 120s
  }
  chain remember {
    type filter hook postrouting priority srcnat - 1
    ${MAPPING[kind].remember}
  }
  chain outward {
    type nat hook postrouting priority srcnat
    oifname "eth0" meta nfproto ipv4 ${MAPPING[kind].translate}
  }
  chain inward {
    type nat hook prerouting priority dstnat
    ${kind === 'full-cone' ? 'iifname "eth0" meta nfproto ipv4 meta l4proto udp dnat ip addr . port to udp dport map @cone' : ''}
  }
}
table inet firewall {
  # A real router drops what nobody asked for before conntrack confirms it. Without this, an early packet from a
  # peer to the outside port takes the tuple, and the host's own flow is then mapped to some other port.
  chain own {
    type filter hook input priority filter; policy accept
    iifname "eth0" meta l4proto udp ct state new drop
  }
  chain through {
    type filter hook forward priority filter; policy drop
    iifname "${NAT_BRIDGE}" accept
    ct state established,related accept
    ct status dnat accept
  }
}
`

/**
 * The nft script that says which outside port each host's port becomes; the whole table is replaced at once, so
 * running it again with other ports is a rebinding. The port is rewritten before connection tracking on the way out
 * and after it on the way in: the NAT proper keeps ports where it can, and so two hosts that use the same port do
 * not collide, which on Linux would make the second one's mapping depend on the target.
 */
export const portRules = (mappings: readonly PortMapping[]): string => {
  const changed = mappings.filter(({ insidePort, outsidePort }) => insidePort !== outsidePort)
  const rules = (line: (mapping: PortMapping) => string): string =>
    changed.map((m) => `    ${line(m)}\n`).join('')
  return `table inet ports
delete table inet ports
table inet ports {
  chain outward {
    type filter hook prerouting priority raw
${rules(({ address, insidePort, outsidePort }) => `ip saddr ${address} udp sport ${insidePort} udp sport set ${outsidePort}`)}  }
  chain inward {
    type filter hook postrouting priority 200
${rules(({ address, insidePort, outsidePort }) => `ip daddr ${address} udp dport ${outsidePort} udp dport set ${insidePort}`)}  }
}
`
}
