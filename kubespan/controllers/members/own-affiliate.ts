import type { Address } from '../../../shared/net/address.ts'
import type { Identity } from '../../model/identity.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { Settings } from '../../model/settings.ts'
import { explainLocalAffiliate } from '../../plan/self/local-affiliate.ts'

export interface OwnInput {
  readonly settings: Settings
  readonly links: readonly ObservedLink[]
  readonly identity: Identity
  /** Our own node as Kubernetes knows it. */
  readonly own: KubernetesReport['own']
  readonly publicAddresses: readonly Address[]
}

/** What this node says of itself, out of its settings and what it finds on the host. */
export function describeOwn({ settings, links, identity, own, publicAddresses }: OwnInput) {
  const { node, placement, enabled } = settings
  return explainLocalAffiliate({
    nodeId: identity.nodeId,
    hostname: node.hostname,
    nodename: own?.name ?? node.nodename,
    machineType: node.machineType,
    operatingSystem: node.operatingSystem,
    controlPlanePort: node.controlPlanePort,
    links,
    externalAddresses: node.externalAddresses,
    publicAddresses,
    podCidrs: node.clusterPodCidrs,
    serviceCidrs: node.serviceCidrs,
    // What the configuration says goes first: not every network plugin goes by what the API says.
    nodePodCidrs: node.podCidrs.length > 0 ? node.podCidrs : (own?.podCidrs ?? []),
    identity: enabled ? identity : undefined,
    listenPort: placement.listenPort,
    settings,
  })
}
