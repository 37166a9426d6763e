import type { Address } from '../../shared/net/address.ts'

/** How far an address reaches, widest first, as `ip` names it. A numbered scope between global and link is a `site`. */
export type AddressScope = 'global' | 'site' | 'link' | 'host' | 'nowhere'

export interface ObservedAddress {
  readonly address: Address
  /** The length of the prefix it was given with. */
  readonly bits: number
  readonly scope: AddressScope
}

/** One network link of this host with its addresses, as seen now. */
export interface ObservedLink {
  readonly name: string
  /** Operational state up, or unknown as WireGuard and loopback links report it. */
  readonly isUp: boolean
  readonly hasCarrier: boolean
  /** Of type Ethernet and without a link kind: no bridge, bond, vlan, dummy, veth or tunnel (SPEC 3.3). */
  readonly isPhysical: boolean
  /** Hardware address as colon-separated hex, when the link has one. */
  readonly mac: string | undefined
  readonly addresses: readonly ObservedAddress[]
}
