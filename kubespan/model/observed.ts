import type { Address } from '../../shared/net/address.ts'

/** How far an address reaches, widest first, as `ip` names it. A numbered scope between global and link is a `site`. */
export type AddressScope = 'global' | 'site' | 'link' | 'host' | 'nowhere'

/**
 * What the kernel says of an IPv6 address, as `ip` names it (RFC 4862, 4429, 8981). `tentative`: whether somebody else has it is
 * still being found out; `optimistic`: the same, and it may be used meanwhile; `dadfailed`: somebody else has it;
 * `deprecated`: for connections that have begun only; `temporary`: changes within a day or so, for privacy.
 */
export type AddressFlag = 'tentative' | 'optimistic' | 'dadfailed' | 'deprecated' | 'temporary'

export interface ObservedAddress {
  readonly address: Address
  /** The length of the prefix it was given with. */
  readonly bits: number
  readonly scope: AddressScope
  /** Absent: none. */
  readonly flags?: readonly AddressFlag[]
}

/**
 * Whether the kernel takes the address for this host's own. One on trial may turn out to be somebody else's within the second,
 * an optimistic one too.
 */
export const isUsable = ({ flags = [] }: ObservedAddress): boolean =>
  !flags.some((flag) => flag === 'tentative' || flag === 'optimistic' || flag === 'dadfailed')

/** Whether it is this host's, maybe only soon: not if another machine was found to have it. */
export const isOurs = ({ flags = [] }: ObservedAddress): boolean => !flags.includes('dadfailed')

/** One network link of this host with its addresses, as seen now. */
export interface ObservedLink {
  readonly name: string
  /** Operational state up, or unknown as WireGuard and loopback links report it. */
  readonly isUp: boolean
  readonly hasCarrier: boolean
  /** Of type Ethernet and without a link kind: no bridge, bond, vlan, dummy, veth or tunnel (SPEC 3.3). */
  readonly isPhysical: boolean
  /** As the kernel names it, like `bridge` or `wireguard`; absent for none. */
  readonly kind?: string
  /** The bridge or bond that it is a port of; absent for none. */
  readonly master?: string
  /** The kind of that. */
  readonly masterKind?: string
  /** Decided, not observed (plan/self/judge-links.ts): why nobody else is reached through it. Absent: somebody may be. */
  readonly leadsNowhere?: string
  /** A default route of the main table leads out of it. Absent: none does. */
  readonly hasDefaultRoute?: boolean
  /** Hardware address as colon-separated hex, when the link has one. */
  readonly mac: string | undefined
  /** The one that it was made with, where another is in use; absent: it is the same, or the link has none. */
  readonly permanentMac?: string
  readonly addresses: readonly ObservedAddress[]
}
