import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
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

/** Everything that the daemon wants of this host: a complete, sorted value (DESIGN 2.1). */
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
}
