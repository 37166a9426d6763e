import type { Instant } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'

/** A Curve25519 public key, standard base64 of 32 bytes. */
export type PublicKey = string

export type PeerState = 'unknown' | 'up' | 'down'

/** What a peer should be, as planned from its affiliate (SPEC 6.1). */
export interface PeerSpec {
  readonly publicKey: PublicKey
  /** The affiliate's node id: who claims this key. */
  readonly nodeId: string
  /** The node name, for people. */
  readonly label: string
  /** The peer's address in the mesh (ULA). */
  readonly address: Address
  /** Minimal cover, IPv4 first, ascending. Empty when every prefix belongs to somebody else. */
  readonly allowedIps: readonly Prefix[]
  /** Candidates in the order the affiliate advertises them. */
  readonly endpoints: readonly AddressPort[]
}

/** What we remember of a peer between two passes: nothing else survives one. */
export interface PeerStatus {
  readonly label: string
  readonly state: PeerState
  /** The endpoint WireGuard reports, ours or one the peer roamed to. */
  readonly endpoint: AddressPort | undefined
  /** The endpoint that we last set. */
  readonly lastUsedEndpoint: AddressPort | undefined
  /** When we last set one. Monotonic: wall clock jumps flip nobody (SPEC 9, N10). */
  readonly lastEndpointChangeAt: Instant | undefined
  readonly lastHandshakeAt: Instant | undefined
  readonly receiveBytes: number
  readonly transmitBytes: number
}

/** One peer as WireGuard shows it. */
export interface WireGuardPeer {
  readonly publicKey: PublicKey
  readonly hasPresharedKey: boolean
  readonly endpoint: AddressPort | undefined
  readonly allowedIps: readonly Prefix[]
  /** On our monotonic clock; undefined when there never was one. */
  readonly lastHandshakeAt: Instant | undefined
  readonly receiveBytes: number
  readonly transmitBytes: number
  readonly keepaliveSeconds: number
}

/** The WireGuard device as observed; undefined instead of this when there is none. */
export interface WireGuardView {
  readonly publicKey: PublicKey | undefined
  readonly listenPort: number
  /** 0 when off. */
  readonly fwmark: number
  readonly peers: ReadonlyMap<PublicKey, WireGuardPeer>
}
