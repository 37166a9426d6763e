import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'

/** Wall time in whole seconds since 1970: only ever compared for being the same. */
export type UnixSeconds = number

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

/** Totals of one peer in bytes. */
export interface PeerCounters {
  readonly receiveBytes: number
  readonly transmitBytes: number
}

/** What we remember of a peer between two passes: nothing else survives one. Totals outlive a reset of WireGuard's own counters. */
export interface PeerStatus extends PeerCounters {
  readonly label: string
  readonly state: PeerState
  /** The endpoint WireGuard reports, ours or one the peer roamed to; during a race the last one before it. */
  readonly endpoint: AddressPort | undefined
  /** The endpoint that we last set. */
  readonly lastUsedEndpoint: AddressPort | undefined
  /** When we last set one. Monotonic: wall clock jumps flip nobody (SPEC 9, N10). */
  readonly lastEndpointChangeAt: Instant | undefined
  readonly lastHandshakeAt: Instant | undefined
  /** As WireGuard stamped that handshake: as long as the stamp is the same, so is `lastHandshakeAt`. */
  readonly lastHandshakeStamp: UnixSeconds | undefined
  /** When bytes of the peer were last seen to have arrived. */
  readonly lastReceiveAt: Instant | undefined
  /** Since when the peer is not up, or first known of; undefined while it is up. */
  readonly notUpSince: Instant | undefined
  /** When WireGuard last showed something new of the peer, and what its counters have stood at since. */
  readonly observedAt: Instant
  readonly counters: PeerCounters
  /** The endpoint that WireGuard had when something of the peer was last seen to have arrived; undefined when nothing ever was. */
  readonly heardFrom?: AddressPort | undefined
  /** Of the last echo through the tunnel on this path; undefined when it never answered one there. */
  readonly roundTrip?: Milliseconds | undefined
  /** By which it was last reached from the network where this host is now; undefined when that is not known. */
  readonly lastWorked?: AddressPort | undefined
}

/** One peer as WireGuard shows it. */
export interface WireGuardPeer extends PeerCounters {
  readonly publicKey: PublicKey
  readonly hasPresharedKey: boolean
  readonly endpoint: AddressPort | undefined
  readonly allowedIps: readonly Prefix[]
  /**
   * `lastHandshakeStamp` brought to our monotonic clock through the wall clock of this moment, so good to a second
   * and wrong by whatever the wall clock jumped since; undefined when there never was one.
   */
  readonly lastHandshakeAt: Instant | undefined
  /** As `wg show dump` prints it: wall time when it happened; undefined for 0. */
  readonly lastHandshakeStamp: UnixSeconds | undefined
  /** 0 when off. */
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
