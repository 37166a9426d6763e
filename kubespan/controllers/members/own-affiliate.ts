import { ULA_PURPOSE, ulaAddress, ulaPrefix } from '../../../shared/identity/ula.ts'
import { type Address, splitPrefix } from '../../../shared/net/address.ts'
import type { Identity } from '../../model/identity.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { SelfReport } from '../../model/own-address.ts'
import type { Settings } from '../../model/settings.ts'
import { chooseMac } from '../../plan/self/choose-mac.ts'
import { judgeLinks, judgementOf } from '../../plan/self/judge-links.ts'
import { explainLocalAffiliate } from '../../plan/self/local-affiliate.ts'
import { nameNode } from '../../plan/self/name-node.ts'
import { type LinkSource, observeLinks } from '../../sources/addresses.ts'
import { systemHostName } from '../../sources/host-name.ts'

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

/** What a daemon would say of this host. Makes no files: who it would be matters for nothing but the size of its record. */
export async function foreseeSelf(settings: Settings, host: LinkSource): Promise<SelfReport> {
  const links = judgeLinks(await observeLinks(host), judgementOf(settings))
  const subnet = ulaPrefix(settings.cluster?.id ?? '', ULA_PURPOSE.kubespan)
  const address = ulaAddress(subnet, chooseMac(links) ?? UNKNOWN_MAC) ?? splitPrefix(subnet).address
  const identity = { nodeId: 'x'.repeat(44), publicKey: 'x'.repeat(44), privateKey: '', address, subnet }
  const { settings: named } = nameNode(settings, systemHostName(), identity.nodeId)
  const local = describeOwn({ settings: named, links, identity, own: undefined, publicAddresses: [] })
  if (local === undefined) throw new Error('this host has no name: nothing is published before it has one')
  return local.report
}

/** Of a node whose address is made of its id. */
const UNKNOWN_MAC = '00:00:00:00:00:00'
