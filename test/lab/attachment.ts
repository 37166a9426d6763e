import { type Family, type HostSpec, type NatSpec, type Topology, WAN } from './topology.ts'

/** An address on an interface, with the router to leave by. */
export interface Placed {
  readonly address: string
  readonly bits: number
  /** Undefined on a network that leads nowhere else. */
  readonly gateway: string | undefined
}

/** Where one end of a cable is: a box and the interface in it. */
export interface Port {
  readonly box: string
  readonly device: string
}

/** One interface of a box, the port at the other end of its cable, and its addresses. */
export interface Attachment {
  readonly device: string
  readonly port: Port
  /** The bridge that the port is a member of; undefined where the port is routed itself. */
  readonly bridge: string | undefined
  readonly v4: Placed | undefined
  readonly v6: Placed | undefined
}

/** Where the discovery service and everything else "on the internet" of a lab is. */
export const INTERNET_V4 = '192.0.2.8'
export const INTERNET_V6 = '2001:db8:ff00::8'

/**
 * All addresses come from ranges that are reserved for tests and documentation (RFC 2544, RFC 3849) or private.
 * `index` numbers what is connected to the wan, `suffix` the address on that network.
 */
export function wanAttachment(index: number, families: readonly Family[], suffix = 2): Attachment {
  return {
    device: 'eth0',
    port: { box: WAN, device: `w${index}` },
    bridge: undefined,
    v4: families.includes(4)
      ? { address: `198.18.${index}.${suffix}`, bits: 24, gateway: `198.18.${index}.1` }
      : undefined,
    v6: families.includes(6)
      ? { address: `2001:db8:${hex(index)}::${hex(suffix)}`, bits: 64, gateway: `2001:db8:${hex(index)}::1` }
      : undefined,
  }
}

/** The `member`-th host (from 2) behind the NAT that has number `index` on the wan. */
export function natAttachment(
  { name, v6 }: NatSpec,
  index: number,
  member: number,
  families: readonly Family[],
): Attachment {
  return {
    device: 'eth0',
    port: { box: name, device: `p${member}` },
    bridge: NAT_BRIDGE,
    v4: families.includes(4)
      ? { address: `10.${index}.0.${member}`, bits: 24, gateway: `10.${index}.0.1` }
      : undefined,
    v6:
      v6 && families.includes(6)
        ? {
            address: `2001:db8:${hex(index)}:1::${hex(member)}`,
            bits: 64,
            gateway: `2001:db8:${hex(index)}:1::1`,
          }
        : undefined,
  }
}

/** The IPv6 network behind that NAT, which the wan must be told of. */
export const natPrefixV6 = (index: number): string => `2001:db8:${hex(index)}:1::/64`

export const lanAttachment = (name: string, device: string, index: number, member: number): Attachment => ({
  device,
  port: { box: name, device: `p${member}` },
  bridge: LAN_BRIDGE,
  v4: { address: `192.168.${index}.${member}`, bits: 24, gateway: undefined },
  v6: undefined,
})

/** The only pod of the host with this number, as the pod sees it. */
export const podAttachment = (host: string, index: number): Attachment => ({
  device: 'eth0',
  port: { box: host, device: POD_DEVICE },
  bridge: undefined,
  v4: { address: `10.244.${index}.10`, bits: 24, gateway: `10.244.${index}.1` },
  v6: { address: `fd10:244:${hex(index)}::10`, bits: 64, gateway: `fd10:244:${hex(index)}::1` },
})

export const podPrefixes = (index: number): readonly string[] => [
  `10.244.${index}.0/24`,
  `fd10:244:${hex(index)}::/64`,
]

export const NAT_BRIDGE = 'lan0'
export const LAN_BRIDGE = 'br0'
export const POD_DEVICE = 'cni0'

const hex = (value: number): string => value.toString(16)

/** Numbers on the wan: first every host in order, public or not, so that a host's number is the same everywhere; then the NATs. */
export const hostIndex = (topology: Topology, host: HostSpec): number => topology.hosts.indexOf(host) + 1
export const natIndex = (topology: Topology, nat: NatSpec): number =>
  topology.hosts.length + topology.nats.indexOf(nat) + 1
