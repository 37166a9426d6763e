import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { Instant } from '../../shared/clock.ts'
import type { AddressPort, Prefix } from '../../shared/net/address.ts'

/** The ways to tell which Node object is this machine, in the order in which they are tried. */
export const NODE_MATCHERS = ['name', 'machineID', 'providerID', 'address'] as const
export type NodeMatcher = (typeof NODE_MATCHERS)[number]

/** Where kubelets of the usual distributions keep their credentials; the first one that exists is taken (SPEC 5). */
export const KUBELET_KUBECONFIGS: readonly string[] = [
  '/etc/kubernetes/kubeconfig-kubelet',
  '/etc/kubernetes/kubelet.conf',
  '/var/lib/rancher/k3s/agent/kubelet.kubeconfig',
  '/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
]

export type KubernetesAccess =
  /** The ServiceAccount of the pod that the daemon runs in. */
  | { readonly kind: 'inCluster' }
  | {
      readonly kind: 'kubeconfig'
      /** The first file that exists is used. */
      readonly files: readonly string[]
      /** Undefined: the file's own current context. */
      readonly context: string | undefined
    }

/** The Kubernetes registry as configured (SPEC 5). */
export interface KubernetesRegistrySettings {
  /** False: what the registry wrote is taken back, and nothing is read. */
  readonly enabled: boolean
  readonly access: KubernetesAccess
  /** Name of our Node object; undefined: it is looked for. */
  readonly nodeName: string | undefined
  readonly matchNodeBy: readonly NodeMatcher[]
  /** `spec.providerID` of our Node object, where the machine knows it. */
  readonly providerId: string | undefined
}

/** Our own Node object, as far as the mesh needs it. */
export interface OwnNode {
  readonly name: string
  /** All of `spec.podCIDRs`, as written. */
  readonly podCidrs: readonly Prefix[]
}

/** Several Node objects that carry one node id: of a machine and its copy, or of a machine that has been renamed. */
export interface DoubledNode {
  readonly nodeId: string
  /** Of the Node objects, sorted. */
  readonly names: readonly string[]
}

/** What the Kubernetes registry knows at a moment: a whole value. */
export interface KubernetesReport {
  /** Some list of Nodes has been complete: before that a missing affiliate means nothing. */
  readonly isSynced: boolean
  /** False: there are no credentials to be had, and nothing to expect until there are. */
  readonly hasCredentials: boolean
  /** A watch on the Nodes is open. */
  readonly isConnected: boolean
  readonly lastContactAt: Instant | undefined
  /** `host:port` that is spoken to; undefined while nothing is known of it. */
  readonly endpoint: string | undefined
  /** Node id → what its Node object says; our own is not among them. Survives a lost connection. */
  readonly affiliates: ReadonlyMap<string, Affiliate>
  /** Node ids that somebody deleted, or that took their annotations back, since they were last seen. */
  readonly departures: ReadonlySet<string>
  /** Our own among them. By node id, sorted. */
  readonly doubles: readonly DoubledNode[]
  /** Undefined while our Node object is not known. */
  readonly own: OwnNode | undefined
  /** Where API servers are, as the credentials have it and the API itself: what must be reachable outside the tunnel. Sorted. */
  readonly apiServers: readonly AddressPort[]
  /** The same of a name in the credentials, as a name server says. */
  readonly resolvedApiServers?: readonly AddressPort[]
  /** Why it does not do all that it should. */
  readonly problem: string | undefined
}
