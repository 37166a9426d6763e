import type { ClusterKey } from '../../shared/affiliate/seal.ts'
import type { Milliseconds } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import type { Placement } from './desired.ts'
import type { KubernetesRegistrySettings } from './kubernetes.ts'
import type { ProxySettings } from './proxy.ts'
import type { ServiceEndpoint } from './service-endpoint.ts'

/** `ip:port`, or `auto:PORT`: our own public address, whatever it is, with that port. */
export type AnnouncedEndpoint = AddressPort | { readonly autoPort: number }

/** The effective configuration of the daemon: every value present, checked, and in the units of the code. */
export interface Settings {
  readonly enabled: boolean
  readonly advertiseKubernetesNetworks: boolean
  readonly allowDownPeerBypass: boolean
  readonly harvestExtraEndpoints: boolean
  readonly mtuBytes: number
  /** Undefined: no filter. Empty: everything is filtered out (SPEC 9, N6). */
  readonly endpointFilters: readonly string[] | undefined
  readonly excludeAdvertisedNetworks: readonly Prefix[]
  readonly extraAnnouncedEndpoints: readonly AnnouncedEndpoint[]
  readonly services: readonly DiscoveryServiceSettings[]
  /** What services are reached through; undefined for directly. */
  readonly proxy: ProxySettings | undefined
  /** Undefined: nothing is said of it. */
  readonly kubernetes: KubernetesRegistrySettings | undefined
  /** Undefined only while KubeSpan is disabled and no discovery service is configured. */
  readonly cluster: ClusterSettings | undefined
  readonly node: NodeSettings
  /** Which names of the node the configuration says. The others are the host's, which may change while we run. */
  readonly namesGiven: { readonly hostname: boolean; readonly nodename: boolean }
  readonly placement: Placement
  readonly bypass: BypassSettings
  readonly racing: RacingSettings
  readonly filters: PeerEndpointFilters
  /** Which links lead to nobody else, after what is so by default (model/link-filter.ts). */
  readonly linkFilters: readonly string[]
  readonly timing: Timing
}

/** Whether all endpoints of a peer are tried at once. */
export interface RacingSettings {
  /** False behaves exactly as SPEC 6.2 to 6.4: one endpoint after the other. */
  readonly enabled: boolean
  /** UDP port of this host that copies are sent from; the nft table rewrites it to WireGuard's own. */
  readonly port: number
  /** How much earlier than the next best kind of endpoint each kind is tried. */
  readonly headStart: Milliseconds
  /** How many peers are raced at a time. */
  readonly concurrentRaces: number
  /** Of all races together. */
  readonly packetsPerSecond: number
}

/** Which endpoints of peers are used, and which first. What we announce of ourselves is none of this. */
export interface PeerEndpointFilters {
  readonly preferredRanges: readonly Prefix[]
  /** Empty: all. */
  readonly allowedRanges: readonly Prefix[]
  readonly deniedRanges: readonly Prefix[]
}

/** What may pass the tunnel by, besides the discovery services. */
export interface BypassSettings {
  readonly destinations: readonly AddressPort[]
  /** TCP ports of this machine that are answered outside the tunnel when they are called from there. */
  readonly localPorts: readonly number[]
  /** The bit of the conntrack mark that remembers such a connection. */
  readonly conntrackMark: number
}

export interface DiscoveryServiceSettings {
  readonly name: string
  readonly endpoint: ServiceEndpoint
}

export interface ClusterSettings {
  /** Sent verbatim as the configuration spells it. A capability: logs hold only its tag. */
  readonly id: string
  readonly key: ClusterKey
}

/** What a machine that is not Talos must be told of itself. */
export interface NodeSettings {
  readonly stateDirectory: string
  readonly runDirectory: string
  readonly nodename: string
  readonly hostname: string
  readonly machineType: 'init' | 'controlplane' | 'worker'
  readonly operatingSystem: string
  /** Port of the Kubernetes API server on this machine; undefined when it runs none. */
  readonly controlPlanePort: number | undefined
  /** Pod networks of this node alone: what advertiseKubernetesNetworks advertises. */
  readonly podCidrs: readonly Prefix[]
  /** Pod networks of the whole cluster: addresses inside are no addresses of this machine. */
  readonly clusterPodCidrs: readonly Prefix[]
  readonly serviceCidrs: readonly Prefix[]
  /** Addresses that reach this machine although no link carries them. */
  readonly externalAddresses: readonly Address[]
  readonly wireguard: 'auto' | 'kernel' | 'userspace'
  /** PEM file with certificate authorities to trust besides the system's; undefined for none. */
  readonly caFile: string | undefined
  /** Where metrics and health are served, as `127.0.0.1:9173`; undefined for nowhere. */
  readonly metricsAddress: string | undefined
}

/** Every interval of the daemon. The defaults are SPEC 2.3 and 6.2–6.4; tests compress them. */
export interface Timing {
  readonly reconcileEvery: Milliseconds
  readonly peerDownAfter: Milliseconds
  readonly endpointGrace: Milliseconds
  readonly affiliateTtl: Milliseconds
  /** A tunnel is live when bytes arrived through it so recently; a live peer stays whatever becomes of its record. */
  readonly liveWithin: Milliseconds
  /** For how long a silent peer is kept whose record expired or went missing; 0 for not at all, as the protocol has it. */
  readonly graceAfterLoss: Milliseconds
  /** For how long one is kept whose record somebody deleted. */
  readonly graceAfterDeletion: Milliseconds
  /** For how long after that what it owned is dropped instead of sent in clear; 0 for not at all. */
  readonly holdAfterLoss: Milliseconds
  readonly discoveryBackoffInitial: Milliseconds
  readonly discoveryBackoffCap: Milliseconds
}

/** Where the daemon of these settings answers. */
export const socketPath = ({ node }: Pick<Settings, 'node'>): string => `${node.runDirectory}/kubespan.sock`
