import type { Address, AddressPort, Family, Prefix } from '../../shared/net/address.ts'
import type { PublicKey } from './peer.ts'

/** The names and numbers under which the daemon lives on this host; defaults in constants.ts. */
export interface Placement {
  readonly linkName: string
  readonly listenPort: number
  readonly wireguardFwmark: number
  readonly routeFwmark: number
  readonly fwmarkMask: number
  readonly routingTable: number
  readonly rulePriority: number
  readonly nftTable: string
}

export interface DesiredPeer {
  readonly publicKey: PublicKey
  readonly allowedIps: readonly Prefix[]
  /** Set only when WireGuard's own endpoint is to be replaced: peers that are up are left alone (roaming). */
  readonly endpoint: AddressPort | undefined
}

/**
 * What must reach its goal when the tunnels are down, because the tunnels come up through it: the discovery
 * services, and what else is configured. Nothing wider than one address with one TCP port leaves in clear.
 */
export interface Bypass {
  /** Sorted. Connections of this host to exactly these leave outside the tunnel. */
  readonly destinations: readonly AddressPort[]
  /** TCP ports of this host, ascending: a connection that arrives at one outside the tunnel is answered outside. */
  readonly localPorts: readonly number[]
  /** The bit of the conntrack mark by which such a connection is known; never one that is saved from packet marks. */
  readonly conntrackMark: number
}

export interface ForwardingState {
  /** What this host has, and what it may speak for in the mesh: a minimal cover, ascending. */
  readonly sources: readonly Prefix[]
  /** Families that only single links forward: what comes out of the tunnel is forwarded where our link is one of them. Absent: none. */
  readonly byLink?: readonly Family[]
}

export interface LocalState {
  /** Gateways, name servers and DHCP servers of this host, as far as no peer is one: single addresses, sorted. */
  readonly neighbours: readonly Prefix[]
  /** These, and what else peers claim that is on our links: a minimal cover, ascending. */
  readonly kept: readonly Prefix[]
}

/** Everything that the daemon wants of this host: a complete, sorted value. */
export interface DesiredState {
  readonly placement: Placement
  readonly mtuBytes: number
  /** Our address in the mesh and the length of the prefix it is put on the link with. */
  readonly address: Address
  readonly addressBits: number
  /** Sorted by public key. */
  readonly peers: readonly DesiredPeer[]
  /** What is sent into the tunnel: the two interval sets of the nft table, minimal covers, ascending. */
  readonly routedV4: readonly Prefix[]
  readonly routedV6: readonly Prefix[]
  /** Absent: this host forwards nothing. */
  readonly forwarding?: ForwardingState
  /** What is local to this host, and left out of the sets. Absent: nothing is. */
  readonly local?: LocalState
  /**
   * Nobody has said yet who is in the mesh: peers of an earlier run stay, and what is sent into the tunnel because of it
   * stays sent there. Absent: what stands above is all.
   */
  readonly isProvisional?: boolean
  /**
   * The source port of race copies, which leave as if WireGuard itself had sent them. Absent: nobody is raced.
   */
  readonly racePort?: number | undefined
  /** Absent: nothing may pass the tunnel by. */
  readonly bypass?: Bypass
}
