import type { Instant } from '../../shared/clock.ts'
import type { Identity } from '../model/identity.ts'
import type { KubernetesReport } from '../model/kubernetes.ts'
import type { Settings } from '../model/settings.ts'
import { arbitrateOverlaps } from '../plan/arbitrate-overlaps.ts'
import { joinTiers } from '../plan/join-tiers.ts'
import { mergeAffiliates } from '../plan/merge-affiliates.ts'
import { type PeerPlan, planPeerSpecs } from '../plan/peer-specs.ts'
import { retainAffiliates } from '../plan/retain.ts'
import { type ServiceReport, uniteServices } from '../plan/unite-services.ts'
import type { MeshMemory } from './view.ts'

export interface GatherInput {
  readonly memory: MeshMemory
  readonly reports: readonly ServiceReport[]
  /** Undefined: the registry is off. */
  readonly kubernetes?: KubernetesReport | undefined
  /** Since the daemon began to listen. */
  readonly listeningSince?: Instant
  readonly identity: Pick<Identity, 'nodeId' | 'publicKey'>
  readonly settings: Settings
  /** Node ids that the user wants gone. */
  readonly forgotten: ReadonlySet<string>
  readonly now: Instant
}

export type Gathered = Pick<MeshMemory, 'raw' | 'retained' | 'sources' | 'holdings'> &
  Pick<PeerPlan, 'specs' | 'conflicts'>

/** What all sources say, to peers: united, merged, kept where a live tunnel depends on it, and free of overlaps. */
export function gatherPeers(input: GatherInput): Gathered {
  const {
    memory,
    reports,
    kubernetes,
    identity,
    settings,
    forgotten,
    listeningSince = -Infinity,
    now,
  } = input
  const { timing } = settings
  const tiers = joinTiers({
    services: uniteServices(reports, now, timing.affiliateTtl),
    hasServices: reports.length > 0,
    kubernetes,
    isPatient: now - listeningSince < timing.graceAfterLoss,
  })
  const retained = retainAffiliates({
    previous: memory.retained,
    current: mergeAffiliates(tiers.raw).filter(({ nodeId }) => nodeId !== identity.nodeId),
    isComplete: tiers.isComplete,
    explicitDeletions: tiers.explicitDeletions,
    forgotten,
    lastReceiveAt: new Map(
      [...memory.statuses].flatMap(([key, { lastReceiveAt }]) =>
        lastReceiveAt === undefined ? [] : [[key, lastReceiveAt]],
      ),
    ),
    now,
    settings: timing,
  })

  const affiliates = retained.map(({ affiliate }) => affiliate)
  const plan = (holdings: MeshMemory['holdings']): PeerPlan =>
    planPeerSpecs(affiliates, identity.nodeId, { ownKey: identity.publicKey, holdings })
  const standing = plan(memory.holdings)
  const holdings = arbitrateOverlaps({
    contested: standing.contested,
    holdings: memory.holdings,
    notUpSince: new Map(
      memory.specs.map(({ nodeId, publicKey }) => [nodeId, memory.statuses.get(publicKey)?.notUpSince]),
    ),
    now,
    patience: timing.peerDownAfter,
  })
  const isSame = JSON.stringify([...holdings]) === JSON.stringify([...memory.holdings])
  const { specs, conflicts } = isSame ? standing : plan(holdings)
  return { raw: tiers.raw, retained, sources: tiers.sources, specs, conflicts, holdings }
}
