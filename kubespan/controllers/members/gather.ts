import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import type { Identity } from '../../model/identity.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { Settings } from '../../model/settings.ts'
import { joinTiers, type Tiers } from '../../plan/members/join-tiers.ts'
import { mergeAffiliates } from '../../plan/members/merge-affiliates.ts'
import { type RetainedAffiliate, retainAffiliates } from '../../plan/members/retain.ts'
import { type ServiceReport, uniteServices } from '../../plan/members/unite-services.ts'
import { arbitrateOverlaps } from '../../plan/peers/arbitrate-overlaps.ts'
import { type PeerPlan, planPeerSpecs } from '../../plan/peers/peer-specs.ts'
import type { MeshMemory } from '../view.ts'

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
  Pick<PeerPlan, 'specs' | 'conflicts'> & {
    /** Whether who should has told us all it knows since we started. */
    readonly isComplete: boolean
  }

/** What was gathered the last time: most of the time nothing has changed since, and then nothing is planned anew. */
export class GatherRecall {
  readonly united = new Last<United>()
  readonly plan = new Last<PeerPlan>()
  readonly #reported = new Map<string, ServiceReport['affiliates']>()
  #retained: { readonly of: United; readonly retained: readonly RetainedAffiliate[] } | undefined

  /** The affiliates of the report, as the very map of last time where they are the same: every refresh makes a new one. */
  reported({ name, affiliates }: ServiceReport): ServiceReport['affiliates'] {
    const known = this.#reported.get(name)
    if (known !== undefined && sayTheSame(known, affiliates)) return known
    this.#reported.set(name, affiliates)
    return affiliates
  }

  /** Only what is confirmed stays as it is by itself: the rest has a time limit. */
  retained(
    of: United,
    previous: readonly RetainedAffiliate[],
    retain: () => readonly RetainedAffiliate[],
  ): readonly RetainedAffiliate[] {
    const known = this.#retained
    const isSettled =
      known?.of === of &&
      known.retained === previous &&
      previous.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined)
    if (isSettled) return previous
    const retained = retain()
    this.#retained = { of, retained }
    return retained
  }
}

interface United {
  readonly tiers: Tiers
  /** Of all others, by node id. */
  readonly current: readonly Affiliate[]
}

const sayTheSame = (one: ServiceReport['affiliates'], other: ServiceReport['affiliates']): boolean =>
  one === other ||
  (one.size === other.size &&
    [...one].every(([id, { affiliate, changedAt }]) => {
      const record = other.get(id)
      return record?.affiliate === affiliate && record.changedAt === changedAt
    }))

/** What all sources say, to peers: united, merged, kept where a live tunnel depends on it, and free of overlaps. */
export function gatherPeers(input: GatherInput, recall = new GatherRecall()): Gathered {
  const { memory, identity, settings, forgotten, now } = input
  const { timing } = settings
  const united = unite(input, recall)
  const { tiers, current } = united
  const retained = recall.retained(united, memory.retained, () =>
    retainAffiliates({
      previous: memory.retained,
      current,
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
    }),
  )

  const plan = (holdings: MeshMemory['holdings']): PeerPlan =>
    recall.plan.of([retained, identity.nodeId, identity.publicKey, holdings], () =>
      planPeerSpecs(
        retained.map(({ affiliate }) => affiliate),
        identity.nodeId,
        { ownKey: identity.publicKey, holdings },
      ),
    )
  const standing = plan(memory.holdings)
  const { raw, sources, isComplete } = tiers
  if (standing.contested.size === 0 && memory.holdings.size === 0)
    return { raw, retained, sources, isComplete, ...standing, holdings: memory.holdings }
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
  return {
    ...{ raw, retained, sources, isComplete, specs, conflicts },
    holdings: isSame ? memory.holdings : holdings,
  }
}

function unite(
  { reports, kubernetes, identity, settings, listeningSince = -Infinity, now }: GatherInput,
  recall: GatherRecall,
): United {
  const { timing } = settings
  const isPatient = now - listeningSince < timing.graceAfterLoss
  // What a service that is cut off said counts until it is too old, so then time itself is a part.
  const isAgeing = reports.some(({ isConnected }) => !isConnected)
  const parts = [
    ...[kubernetes, identity.nodeId, timing.affiliateTtl, isPatient, isAgeing ? now : undefined],
    ...reports.flatMap((report) => [
      ...[report.name, report.isConnected, report.lastContactAt === undefined],
      ...[recall.reported(report), report.departures.size === 0 ? 0 : report.departures],
    ]),
  ]
  return recall.united.of(parts, () => {
    const tiers = joinTiers({
      services: uniteServices(reports, now, timing.affiliateTtl),
      hasServices: reports.length > 0,
      kubernetes,
      isPatient,
    })
    return { tiers, current: mergeAffiliates(tiers.raw).filter(({ nodeId }) => nodeId !== identity.nodeId) }
  })
}
