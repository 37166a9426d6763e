import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { UnixMilliseconds } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import type { Member, RawAffiliate } from './affiliate.ts'
import type { Placement } from './desired.ts'
import type { HostView } from './host-view.ts'
import type { IdentityConflict } from './identity-conflict.ts'
import type { PeerState } from './peer.ts'
import type { ProofAnswer } from './proof-answer.ts'
import type { ProxyView } from './proxy.ts'
import type { LocalClaim } from './surroundings.ts'

/** The least that says how a daemon is. */
export interface DaemonSummary {
  readonly enabled: boolean
  readonly peers: number
  readonly peersUp: number
  /** By name. */
  readonly silentServices: readonly string[]
  /** Why the last pass failed; undefined when it did not. */
  readonly problem: string | undefined
}

/**
 * What the daemon knows, as people and programs may see it: plain JSON, no secret in it. Every command that
 * shows something renders this one value. Times are wall time, because they leave the process.
 */
export interface DaemonView {
  readonly version: string
  readonly pid: number
  readonly startedAt: UnixMilliseconds
  readonly enabled: boolean
  readonly hasLeft: boolean
  readonly identity: IdentityView | undefined
  readonly cluster: { readonly idTag: string } | undefined
  readonly settings: {
    readonly mtuBytes: number
    readonly placement: Placement
    readonly allowDownPeerBypass: boolean
    readonly advertiseKubernetesNetworks: boolean
    readonly harvestExtraEndpoints: boolean
    /** Null: none. Absent in the view of a daemon that does not tell. */
    readonly proxy?: ProxyView | null
  }
  readonly services: readonly ServiceView[]
  /** Undefined while the Kubernetes registry is off. */
  readonly kubernetes?: KubernetesView | undefined
  readonly affiliates: readonly AffiliateView[]
  /** Links and addresses of this host that are not published though somebody may miss them. Absent: the daemon does not tell. */
  readonly leftOut?: readonly string[]
  readonly members: readonly Member[]
  readonly peers: readonly PeerView[]
  /** Where two machines have what only one may have. Absent in the view of a daemon that does not tell. */
  readonly identityConflicts?: readonly IdentityConflict[]
  /** Endpoints that we saw working, published for others. */
  readonly harvestedEndpoints: readonly HarvestedEndpointView[]
  /** What is sent into the tunnel now. */
  readonly routed: readonly Prefix[]
  /** What stays local to this host although peers claim it. Absent in the view of a daemon that does not tell. */
  readonly local?: readonly LocalClaim[]
  /** What of others leads packets for the mesh elsewhere, where they are dropped: rules, routes, chains; in the warnings as well. */
  readonly detours: readonly string[]
  readonly lastReconcile: ReconcileView | undefined
  readonly counters: CountersView
  readonly config: ConfigView
  /** Things that somebody should look at, most important first. */
  readonly warnings: readonly string[]
}

/** The view with the parts that are there only when they are asked for. */
export interface FullView extends DaemonView {
  readonly host?: HostView
  readonly rawAffiliates?: readonly RawAffiliate[]
}

export interface IdentityView {
  readonly nodeId: string
  readonly nodename: string
  readonly address: Address
  readonly subnet: Prefix
  readonly publicKey: string
}

export interface ServiceView {
  readonly name: string
  readonly endpoint: string
  readonly connected: boolean
  readonly isRedirected: boolean
  readonly lastContactAt: UnixMilliseconds | undefined
  readonly affiliates: number
  readonly publicAddresses: readonly Address[]
  /** Although it is connected, others learn nothing of this node there. Absent in the view of a daemon that does not tell. */
  readonly isUnpublished?: boolean
  /** What it made of our proof of membership; absent where it does not know of such. */
  readonly proof?: ProofAnswer | undefined
  readonly problem: string | undefined
}

export interface KubernetesView {
  readonly endpoint: string | undefined
  readonly connected: boolean
  readonly lastContactAt: UnixMilliseconds | undefined
  /** Of Nodes other than ours. */
  readonly affiliates: number
  /** Our Node; undefined while it is not known. */
  readonly nodename: string | undefined
  readonly podCidrs: readonly Prefix[]
  readonly problem: string | undefined
}

export interface AffiliateView extends Affiliate {
  readonly isLocal: boolean
  /** Where it was learned from, as `service/<name>`, `k8s`, `cache`. */
  readonly sources: readonly string[]
  /** Undefined while some source confirms it; else until when it stays as it is; null: while its tunnel is live, or until a source speaks. */
  readonly unconfirmedUntil: UnixMilliseconds | null | undefined
  /** Of one that is given up as a peer: what is dropped because it owned it. */
  readonly held?: readonly Prefix[]
}

export interface PeerView {
  readonly publicKey: string
  readonly nodeId: string
  readonly label: string
  readonly address: Address
  readonly allowedIps: readonly Prefix[]
  readonly endpoints: readonly AddressPort[]
  readonly state: PeerState
  readonly endpoint: AddressPort | undefined
  readonly lastUsedEndpoint: AddressPort | undefined
  readonly lastEndpointChangeAt: UnixMilliseconds | undefined
  readonly lastHandshakeAt: UnixMilliseconds | undefined
  readonly receiveBytes: number
  readonly transmitBytes: number
  /** Of the last echo on this path; undefined when none was answered, or none could be sent. */
  readonly roundTripMilliseconds?: number | undefined
  /** Why it is not up, or what is odd about it; undefined when there is nothing to say. */
  readonly reason: string | undefined
}

/** Where a peer may be reached. No part of the view: to rank all of them costs more than a pass. */
export interface CandidateView {
  readonly endpoint: AddressPort
  /** What kind of place it is from here: `on a shared link`, `public IPv4`. */
  readonly kind: string
  /** Why it is never tried. */
  readonly notTried?: string
}

export interface HarvestedEndpointView {
  readonly publicKey: string
  readonly nodeId: string
  readonly endpoint: AddressPort
}

/** Since the daemon started. */
export interface CountersView {
  readonly passes: number
  readonly failedPasses: number
  readonly passMilliseconds: number
  /** Things changed on the host, for whatever reason. */
  readonly hostChanges: number
  /** Those of them that somebody else had changed or removed. */
  readonly driftRepairs: number
  readonly handshakes: number
  readonly endpointChanges: number
  /** How often a peer that was up stopped being so. */
  readonly peersLost: number
  /** Packets for the mesh that were dropped, because they would have left by another link than ours. */
  readonly strayPackets: number
}

export interface ConfigView {
  /** Why the file as it is now is not in effect; undefined when it is. */
  readonly problem: string | undefined
  /** How often a changed file was refused. */
  readonly refusals: number
}

export interface ReconcileView {
  readonly at: UnixMilliseconds
  readonly durationMilliseconds: number
  readonly changes: number
  readonly error: string | undefined
}
