import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import { hostPrefix, type Prefix } from '../../../shared/net/address.ts'
import type { Identity } from '../../model/identity.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PublicKey } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import { doubledIds, followDoubles, steadied, type Trails } from '../../plan/members/doubles.ts'
import { joinTiers, type Tiers } from '../../plan/members/join-tiers.ts'
import { mergeAffiliates } from '../../plan/members/merge-affiliates.ts'
import { peersOf, type RetainedAffiliate, retainAffiliates } from '../../plan/members/retain.ts'
import { type Settled, settleRecords, type UnsettledRecord } from '../../plan/members/settle-records.ts'
import { type ServiceReport, uniteServices } from '../../plan/members/unite-services.ts'
import { arbitrateOverlaps } from '../../plan/peers/arbitrate-overlaps.ts'
import { type HeldClaim, heldBy } from '../../plan/peers/claims.ts'
import { type Contests, followContests, followKnown } from '../../plan/peers/contests.ts'
import { type PeerPlan, planPeerSpecs } from '../../plan/peers/peer-specs.ts'
import type { OwnPrefixes } from '../../plan/peers/senseless-claims.ts'
import { hostAddresses } from '../../plan/self/own-addresses.ts'
import type { MeshMemory } from '../view.ts'
import { challengedBy, holdersOf, livesByNode, livesOf, NO_HOLDERS, ownedBy } from './lives.ts'

export interface GatherInput {
  readonly memory: MeshMemory
  readonly reports: readonly ServiceReport[]
  /** Undefined: the registry is off. */
  readonly kubernetes?: KubernetesReport | undefined
  /** Since the daemon began to listen. */
  readonly listeningSince?: Instant
  readonly identity: Pick<Identity, 'nodeId' | 'publicKey'> & Partial<Pick<Identity, 'address'>>
  /** Of this host. */
  readonly links?: readonly ObservedLink[]
  readonly settings: Settings
  /** Node ids that the user wants gone, unless a source vouches for them. */
  readonly forgotten: ReadonlySet<string>
  /** Node ids that the user wants gone although a source lists them. */
  readonly ignored?: ReadonlySet<string>
  readonly now: Instant
  /** Until when what the cache held is held, by node id. */
  readonly cachedUntil?: ReadonlyMap<string, Instant>
}

export type Gathered = Pick<
  MeshMemory,
  'raw' | 'retained' | 'sources' | 'held' | 'holdings' | 'contests' | 'knownSince' | 'trails'
> &
  Pick<PeerPlan, 'specs' | 'conflicts' | 'claims'> & {
    /** Whether who should has told us all it knows since we started. */
    readonly isComplete: boolean
    readonly unsettled: readonly UnsettledRecord[]
    /** Peers that hold what somebody else has begun to claim: whether they are still there is to be asked. */
    readonly challenged: ReadonlySet<PublicKey>
  }

/** What was gathered the last time: most of the time nothing has changed since, and then nothing is planned anew. */
export class GatherRecall {
  readonly united = new Last<United>()
  readonly plan = new Last<PeerPlan>()
  readonly heldPlan = new Last<PeerPlan>()
  readonly settled = new Last<Settled>()
  isWaiting = false
  readonly held = new Last<readonly HeldClaim[]>()
  readonly contests = new Last<Contests>()
  readonly trails = new Last<Trails>()
  readonly own = new Last<OwnPrefixes>()
  readonly ownHost = new Last<readonly Prefix[]>()
  readonly current = new Last<readonly Affiliate[]>()
  readonly knownSince = new Last<MeshMemory['knownSince']>()
  readonly #reported = new Map<string, ServiceReport['affiliates']>()
  #retained:
    | { readonly of: readonly Affiliate[]; readonly retained: readonly RetainedAffiliate[] }
    | undefined

  /** The affiliates of the report, as the very map of last time where they are the same: every refresh makes a new one. */
  reported({ name, affiliates }: ServiceReport): ServiceReport['affiliates'] {
    const known = this.#reported.get(name)
    if (known !== undefined && sayTheSame(known, affiliates)) return known
    this.#reported.set(name, affiliates)
    return affiliates
  }

  /** Only what is confirmed stays as it is by itself: the rest has a time limit. */
  retained(
    of: readonly Affiliate[],
    previous: readonly RetainedAffiliate[],
    retain: () => readonly RetainedAffiliate[],
  ): readonly RetainedAffiliate[] {
    const known = this.#retained
    const isSettled =
      known?.of === of &&
      known.retained === previous &&
      previous.every(
        ({ unconfirmedUntil, withdrawn }) => unconfirmedUntil === undefined && withdrawn === undefined,
      )
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
  const { tiers } = united
  const trails = recall.trails.of([united.current], () =>
    followDoubles({
      ...{ before: memory.trails, affiliates: united.current, now },
      stampOf: (nodeId) =>
        input.reports.flatMap(({ affiliates }) => affiliates.get(nodeId)?.stamp ?? []).join() || undefined,
    }),
  )
  const doubled = doubledIds(trails, now)
  const current = recall.current.of([trails, doubled.join()], () =>
    united.current.map((affiliate) => {
      const trail = doubled.includes(affiliate.nodeId) ? trails.get(affiliate.nodeId) : undefined
      return trail === undefined ? affiliate : steadied(trail)
    }),
  )
  const lives = livesOf(memory, now)
  const settle = (said: readonly Affiliate[]) =>
    settleRecords({
      ...{ standing: memory.retained, current: said, doubled: new Set(doubled) },
      ...lives,
    })
  // A record that waits, waits for its peer to fall silent: time is a part of that.
  const settled = recall.settled.of(
    [current, memory.retained, doubled.join(), recall.isWaiting ? now : 0],
    () => settle(current),
  )
  recall.isWaiting = settled.unsettled.length > 0
  // Of a node that nobody vouches for its last word counts, or nothing.
  const farewells = farewellsIn(tiers, memory)
  const left = (farewells.length === 0 ? [] : settle(farewells).current).filter(
    ({ kubespan }) => kubespan.publicKey === '',
  )
  const counted = left.length === 0 ? settled.current : [...settled.current, ...left]
  const retained = recall.retained(counted, memory.retained, () =>
    retainAffiliates({
      previous: memory.retained,
      current: counted,
      isComplete: tiers.isComplete,
      explicitDeletions: tiers.explicitDeletions,
      forgotten,
      owned: ownedBy(memory),
      ...(input.cachedUntil === undefined ? {} : { cachedUntil: input.cachedUntil }),
      claimsOf: heldBy,
      ...lives,
      settings: timing,
    }),
  )

  const own = ownPrefixes(input, recall)
  const plan = (holdings: MeshMemory['holdings'], cache: Last<PeerPlan>, holders = NO_HOLDERS): PeerPlan =>
    cache.of([retained, identity.nodeId, identity.publicKey, own, holdings, [...holders].join()], () =>
      planPeerSpecs(peersOf(retained), identity.nodeId, {
        ownKey: identity.publicKey,
        ...{ own, holdings, holders },
      }),
    )
  const knownSince = recall.knownSince.of([retained], () =>
    followKnown(
      retained.map(({ affiliate }) => affiliate),
      memory.retained.map(({ affiliate }) => affiliate),
      memory.knownSince,
      now,
    ),
  )
  const byIds = plan(memory.holdings, recall.plan)
  const holders = holdersOf(byIds.conflicts, { ...memory, knownSince }, peersOf(retained))
  const standing = holders.size === 0 ? byIds : plan(memory.holdings, recall.heldPlan, holders)
  const { raw, sources, isComplete } = tiers
  const contests = recall.contests.of([standing.contested], () =>
    followContests({
      contested: standing.contested,
      before: memory.contests,
      known: peersOf(memory.retained),
      knownSince: memory.knownSince,
      now,
    }),
  )
  const { unsettled } = settled
  const doubted = [
    ...unsettled.flatMap(({ why, publicKey }) => (why === 'older' ? [] : [publicKey])),
    ...newlyUnvouched(retained, memory.retained),
  ]
  const heldOf = ({ refused }: PeerPlan): readonly HeldClaim[] =>
    recall.held.of([retained, refused], () => [...heldIn(retained), ...refused])
  const base = { raw, retained, sources, knownSince, trails, isComplete, unsettled, contests }
  if (standing.contested.size === 0 && memory.holdings.size === 0)
    return {
      ...{ ...base, ...standing, held: heldOf(standing) },
      ...{ holdings: memory.holdings, challenged: new Set(doubted) },
    }
  const holdings = arbitrateOverlaps({
    contested: standing.contested,
    holdings: memory.holdings,
    ...livesByNode(memory),
    contests,
    contestsBefore: memory.contests,
    listeningSince: input.listeningSince,
    now,
    patience: timing.peerDownAfter,
  })
  const isSame = JSON.stringify([...holdings]) === JSON.stringify([...memory.holdings])
  const settledPlan = isSame
    ? standing
    : plan(holdings, holders.size === 0 ? recall.plan : recall.heldPlan, holders)
  return {
    ...{ ...base, ...settledPlan, held: heldOf(settledPlan) },
    holdings: isSame ? memory.holdings : holdings,
    challenged: new Set([
      ...doubted,
      ...challengedBy({ contests, before: memory.contests, specs: settledPlan.specs, ...lives }),
    ]),
  }
}

/** The last words of those that are known yet and have left. */
const farewellsIn = ({ farewells }: Tiers, { retained }: Pick<MeshMemory, 'retained'>): Affiliate[] =>
  farewells.filter(({ nodeId }) =>
    retained.some(({ affiliate }) => affiliate.nodeId === nodeId && affiliate.kubespan.publicKey !== ''),
  )

/** Peers that a source vouched for until now. */
function newlyUnvouched(
  retained: readonly RetainedAffiliate[],
  before: readonly RetainedAffiliate[],
): PublicKey[] {
  if (retained === before) return []
  const vouched = new Set(
    before.flatMap(({ affiliate, unconfirmedUntil }) =>
      unconfirmedUntil === undefined ? affiliate.nodeId : [],
    ),
  )
  return retained.flatMap(({ affiliate: { nodeId, kubespan }, unconfirmedUntil }) =>
    unconfirmedUntil !== undefined && vouched.has(nodeId) ? [kubespan.publicKey] : [],
  )
}

const heldIn = (retained: readonly RetainedAffiliate[]): readonly HeldClaim[] =>
  retained.flatMap(({ affiliate: { nodeId, nodename }, held, withdrawn }) => {
    const prefixes = held ?? withdrawn?.prefixes
    return prefixes === undefined ? [] : [{ nodeId, label: nodename, prefixes }]
  })

/** The very value of last time as long as this host has the same addresses. */
function ownPrefixes(
  { identity, links = [], settings }: GatherInput,
  recall: GatherRecall,
): OwnPrefixes | undefined {
  const { address } = identity
  if (address === undefined) return undefined
  const host = recall.ownHost.of([links, settings.placement.linkName], () =>
    hostAddresses(links, settings.placement.linkName).map(hostPrefix),
  )
  return recall.own.of([address, host.join()], () => ({ mesh: hostPrefix(address), host: new Set(host) }))
}

function unite(
  { reports, kubernetes, identity, settings, ignored, listeningSince = -Infinity, now }: GatherInput,
  recall: GatherRecall,
): United {
  const { timing } = settings
  const isPatient = now - listeningSince < timing.graceAfterLoss
  // What a service that is cut off said counts until it is too old, so then time itself is a part.
  const isAgeing = reports.some(({ isConnected }) => !isConnected)
  const parts = [
    ...[ignored, kubernetes, identity.nodeId, timing.affiliateTtl, isPatient, isAgeing ? now : undefined],
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
    const current = mergeAffiliates(tiers.raw).filter(
      ({ nodeId }) => nodeId !== identity.nodeId && !ignored?.has(nodeId),
    )
    return { tiers, current }
  })
}
