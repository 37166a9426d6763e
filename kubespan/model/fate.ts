import type { Milliseconds } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import type { RuleStatusView } from './host-view.ts'
import type { PublicKey } from './peer.ts'

/** What the kernel of this host does with packets to an address, asked step by step. Plain JSON. */
export interface Fate {
  readonly address: Address
  /** The element of our set of routed addresses that holds it; undefined when none does. */
  readonly routedBy: string | undefined
  /** It is in our set of what stays local. Absent: no. */
  readonly isLocal?: boolean
  /** TCP ports of the address that may pass the tunnel by. */
  readonly bypassPorts: readonly number[]
  /** The way of a packet without a mark: what the host did before there was a mesh. */
  readonly unmarked: RouteAnswer
  /** The way of a packet with our mark, and the source that it got by the way without. */
  readonly marked: RouteAnswer
  /** Whose allowed IPs hold it, as WireGuard has them: the longest prefix wins. */
  readonly owner: FateOwner | undefined
}

/** What all addresses share. */
export interface FateGround {
  /** Our table of nft is there. */
  readonly hasTable: boolean
  /** Our rules; none while the mesh is not set up. */
  readonly rules: readonly RuleStatusView[]
  /** Rules that the kernel asks before ours, other than the one for its own addresses, in words. */
  readonly earlierRules: readonly string[]
  /** Of what this host forwards, only packets from these are marked. Absent: it forwards nothing, or there is no mesh. */
  readonly forwardedFrom?: readonly string[]
  /** WireGuard answers on our link. */
  readonly hasDevice: boolean
}

export interface FateReport extends FateGround {
  readonly fates: readonly Fate[]
}

export type RouteAnswer =
  | {
      readonly dev: string
      /** One of this host's own addresses. */
      readonly isLocal: boolean
      readonly gateway: string | undefined
      readonly source: Address | undefined
      readonly table: number
    }
  /** What a program is told that sends there. */
  | { readonly refusal: string }

export interface FateOwner {
  readonly publicKey: PublicKey
  readonly prefix: Prefix
  readonly endpoint: AddressPort | undefined
  /** Undefined: never. */
  readonly handshakeAge: Milliseconds | undefined
}
