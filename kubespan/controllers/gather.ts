import type { Instant } from '../../shared/clock.ts'
import type { Identity } from '../model/identity.ts'
import type { Settings } from '../model/settings.ts'
import { arbitrateOverlaps } from '../plan/arbitrate-overlaps.ts'
import { mergeAffiliates } from '../plan/merge-affiliates.ts'
import { type PeerPlan, planPeerSpecs } from '../plan/peer-specs.ts'
import { retainAffiliates } from '../plan/retain.ts'
import { type ServiceReport, uniteServices } from '../plan/unite-services.ts'
import type { MeshMemory } from './view.ts'

export interface GatherInput {
  readonly memory: MeshMemory
  readonly reports: readonly ServiceReport[]
  readonly identity: Pick<Identity, 'nodeId' | 'publicKey'>
  readonly settings: Settings
  /** Node ids that the user wants gone. */
  readonly forgotten: ReadonlySet<string>
  readonly now: Instant
}

export type Gathered = Pick<MeshMemory, 'retained' | 'sources' | 'holdings'> &
  Pick<PeerPlan, 'specs' | 'conflicts'>

/** What all sources say, to peers: united, merged, kept where a live tunnel depends on it, and free of overlaps. */
export function gatherPeers({ memory, reports, identity, settings, forgotten, now }: GatherInput): Gathered {
  const { timing } = settings
  const united = uniteServices(reports, now, timing.affiliateTtl)
  const retained = retainAffiliates({
    previous: memory.retained,
    current: mergeAffiliates(united.raw).filter(({ nodeId }) => nodeId !== identity.nodeId),
    isComplete: united.isComplete,
    explicitDeletions: united.explicitDeletions,
    forgotten,
    lastReceiveAt: new Map(
      [...memory.statuses].flatMap(([key, { lastReceiveAt }]) =>
        lastReceiveAt === undefined ? [] : [[key, lastReceiveAt]],
      ),
    ),
    now,
    settings: timing,
  })
  const sources = new Map(
    [...united.vouchers].map(([id, names]) => [id, names.map((name) => `service/${name}`)]),
  )

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
  return { retained, sources, specs, conflicts, holdings }
}
