import type { Prefix } from '../../../shared/net/address.ts'
import type { CandidateView } from '../../model/daemon-view.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PeerSpec, PeerStatus } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import { rankEndpoints } from '../../plan/paths/rank-endpoints.ts'

export interface CandidateContext {
  readonly links: readonly ObservedLink[]
  readonly meshSubnet: Prefix
  readonly settings: Pick<Settings, 'racing' | 'filters'>
}

/**
 * Where a peer may be reached, in the order in which it is tried, with what kind of place each is. As it is announced,
 * where the protocol's own turns are wanted. What is not tried comes last, with the reason.
 */
export function describeCandidates(
  { endpoints }: Pick<PeerSpec, 'endpoints'>,
  status: Pick<PeerStatus, 'endpoint' | 'lastWorked'> | undefined,
  { links, meshSubnet, settings }: CandidateContext,
): readonly CandidateView[] {
  const { ranked, dropped } = rankEndpoints(endpoints, {
    links,
    meshSubnet,
    lastWorked: status?.lastWorked,
    observed: status?.endpoint,
    ...settings.filters,
  })
  const kinds = new Map(ranked.map((one) => [one.endpoint, one.class]))
  if (!settings.racing.enabled)
    return endpoints.map((endpoint) => ({ endpoint, kind: kinds.get(endpoint) ?? '' }))
  return [
    ...ranked.map(({ endpoint }) => ({ endpoint, kind: kinds.get(endpoint) ?? '' })),
    ...dropped.map(({ endpoint, reason }) => ({ endpoint, kind: '', notTried: reason })),
  ]
}
