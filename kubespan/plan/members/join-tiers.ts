import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { RawAffiliate } from '../../model/affiliate.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { UnitedServices } from './unite-services.ts'

export interface TiersInput {
  readonly services: UnitedServices
  /** Whether any discovery service is configured. */
  readonly hasServices: boolean
  /** Undefined: the registry is off. */
  readonly kubernetes: KubernetesReport | undefined
  /** Shortly after the start, a tier that has not spoken yet is still waited for. */
  readonly isPatient: boolean
}

export interface Tiers {
  /** What mergeAffiliates folds: `service/…` over `k8s/…` (SPEC 4). */
  readonly raw: readonly RawAffiliate[]
  /** Node id → who vouches for it: `k8s`, `service/<name>`. */
  readonly sources: ReadonlyMap<string, readonly string[]>
  /** Node ids that nobody has any more and that somebody wanted gone. */
  readonly explicitDeletions: ReadonlySet<string>
  /** Of nodes that nobody vouches for any more: that they have left, in their own word. */
  readonly farewells: readonly Affiliate[]
  /** False while a missing affiliate means nothing. */
  readonly isComplete: boolean
}

/**
 * Both tiers of discovery as one. Either alone is enough: what one of them says stands whatever becomes of the other. At
 * the start both are waited for before anything counts as missing, because one of them is always first and does not
 * know the nodes that only the other knows; but not for ever.
 */
export function joinTiers({ services, hasServices, kubernetes, isPatient }: TiersInput): Tiers {
  const nodes = kubernetes?.affiliates ?? new Map<string, never>()
  const sources = new Map<string, readonly string[]>()
  for (const nodeId of nodes.keys()) sources.set(nodeId, ['k8s'])
  for (const [nodeId, names] of services.vouchers)
    sources.set(nodeId, [...(sources.get(nodeId) ?? []), ...names.map((name) => `service/${name}`)])

  const departed = [...services.explicitDeletions, ...(kubernetes?.departures ?? [])]
  const spoken = [
    ...(hasServices ? [services.isComplete] : []),
    ...(kubernetes === undefined || !(kubernetes.isSynced || kubernetes.hasCredentials)
      ? []
      : [kubernetes.isSynced]),
  ]
  return {
    raw: [
      ...services.raw,
      ...Array.from(nodes, ([nodeId, affiliate]) => ({ rawId: `k8s/${nodeId}`, affiliate })),
    ],
    sources,
    explicitDeletions: new Set(departed.filter((nodeId) => !sources.has(nodeId))),
    farewells: services.farewells.filter(({ nodeId }) => !sources.has(nodeId)),
    isComplete: spoken.includes(true) && (!isPatient || !spoken.includes(false)),
  }
}
