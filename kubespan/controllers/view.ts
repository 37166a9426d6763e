import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { Clock, Instant, UnixMilliseconds } from '../../shared/clock.ts'
import { clusterTag } from '../../shared/log.ts'
import type { Prefix } from '../../shared/net/address.ts'
import type { RawAffiliate } from '../model/affiliate.ts'
import type {
  AffiliateView,
  ConfigView,
  CountersView,
  DaemonSummary,
  DaemonView,
  PeerView,
  ReconcileView,
} from '../model/daemon-view.ts'
import type { DesiredState } from '../model/desired.ts'
import type { Identity } from '../model/identity.ts'
import type { IdentityConflict } from '../model/identity-conflict.ts'
import type { KubernetesReport } from '../model/kubernetes.ts'
import type { ObservedLink } from '../model/observed.ts'
import type { SelfReport } from '../model/own-address.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../model/peer.ts'
import type { Settings } from '../model/settings.ts'
import type { LocalClaim } from '../model/surroundings.ts'
import type { Trails } from '../plan/members/doubles.ts'
import { planMembers } from '../plan/members/members.ts'
import type { RetainedAffiliate } from '../plan/members/retain.ts'
import type { HarvestedEndpoint } from '../plan/paths/harvest.ts'
import type { Holding } from '../plan/peers/arbitrate-overlaps.ts'
import type { HeldClaim } from '../plan/peers/claims.ts'
import type { Contests } from '../plan/peers/contests.ts'
import type { ClientStatus } from '../sources/discovery/client-options.ts'

/** What the daemon remembers of its last pass. */
export interface MeshMemory {
  readonly identity: Identity | undefined
  readonly links: readonly ObservedLink[]
  readonly local: Affiliate | undefined
  /** What became of every address of this host. */
  readonly self: SelfReport | undefined
  /** What each tier of sources says now, before it is merged. */
  readonly raw: readonly RawAffiliate[]
  /** Of all others, confirmed or not. */
  readonly retained: readonly RetainedAffiliate[]
  /** Node id → the names of what told us. */
  readonly sources: ReadonlyMap<string, readonly string[]>
  /** What of the mesh has no peer: dropped, not sent in clear. */
  readonly held: readonly HeldClaim[]
  readonly specs: readonly PeerSpec[]
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly holdings: ReadonlyMap<Prefix, Holding>
  /** What each record has said lately. */
  readonly trails: Trails
  /** Since when each node id is known. */
  readonly knownSince: ReadonlyMap<string, Instant>
  readonly contests: Contests
  /** Up, but since then nothing arrives through it although it should. */
  readonly suspectSince: ReadonlyMap<PublicKey, Instant>
  readonly identityConflicts: readonly IdentityConflict[]
  readonly harvested: readonly HarvestedEndpoint[]
  readonly desired: DesiredState | undefined
  /** What stays local although peers claim it. */
  readonly keptLocal: readonly LocalClaim[]
  readonly detours: readonly string[]
  readonly lastReconcile: ReconcileView | undefined
  readonly warnings: readonly string[]
}

export const EMPTY_MEMORY: MeshMemory = {
  identity: undefined,
  links: [],
  local: undefined,
  self: undefined,
  raw: [],
  retained: [],
  sources: new Map(),
  held: [],
  specs: [],
  statuses: new Map(),
  holdings: new Map(),
  trails: new Map(),
  knownSince: new Map(),
  contests: new Map(),
  suspectSince: new Map(),
  identityConflicts: [],
  harvested: [],
  desired: undefined,
  keptLocal: [],
  detours: [],
  lastReconcile: undefined,
  warnings: [],
}

export interface ViewInput {
  readonly memory: MeshMemory
  readonly settings: Settings
  readonly services: readonly (ClientStatus & { readonly affiliates: number })[]
  readonly kubernetes?: KubernetesReport | undefined
  readonly version: string
  readonly pid: number
  readonly startedAt: UnixMilliseconds
  readonly hasLeft: boolean
  readonly counters: CountersView
  readonly config: ConfigView
  readonly clock: Pick<Clock, 'now' | 'wall'>
}

/** Of the same as `describeDaemon`, without describing a thousand peers. */
export function summarizeDaemon({
  memory: { specs, statuses, lastReconcile },
  settings,
  services,
}: Pick<ViewInput, 'memory' | 'settings' | 'services'>): DaemonSummary {
  return {
    enabled: settings.enabled,
    peers: specs.length,
    peersUp: specs.filter(({ publicKey }) => statuses.get(publicKey)?.state === 'up').length,
    silentServices: services.flatMap(({ name, connected }) => (connected ? [] : [name])),
    problem: lastReconcile?.error,
  }
}

/** Memory and settings as people may see them: no secret, and wall time instead of ours. */
export function describeDaemon(input: ViewInput): DaemonView {
  const { memory, settings, services, clock } = input
  const toWall = (at: Instant | undefined): UnixMilliseconds | undefined =>
    at === undefined ? undefined : Math.round(clock.wall() - clock.now() + at)
  const local =
    memory.local === undefined
      ? []
      : [{ affiliate: memory.local, unconfirmedUntil: undefined, soleClaims: [] }]
  const affiliates = [...local, ...memory.retained]
    .map(
      ({ affiliate, unconfirmedUntil, held }: RetainedAffiliate): AffiliateView => ({
        ...affiliate,
        ...(held === undefined ? {} : { held }),
        isLocal: affiliate === memory.local,
        sources: memory.sources.get(affiliate.nodeId) ?? (affiliate === memory.local ? [] : ['cache']),
        // What waits for a registry to speak has no end yet, and JSON no infinity.
        unconfirmedUntil: unconfirmedUntil === Number.POSITIVE_INFINITY ? null : toWall(unconfirmedUntil),
      }),
    )
    .sort((a, b) => (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0))
  return {
    version: input.version,
    pid: input.pid,
    startedAt: input.startedAt,
    enabled: settings.enabled,
    hasLeft: input.hasLeft,
    identity: memory.identity && {
      nodeId: memory.identity.nodeId,
      nodename: memory.local?.nodename ?? settings.node.nodename,
      address: memory.identity.address,
      subnet: memory.identity.subnet,
      publicKey: memory.identity.publicKey,
    },
    cluster: settings.cluster && { idTag: clusterTag(settings.cluster.id) },
    settings: {
      mtuBytes: settings.mtuBytes,
      placement: settings.placement,
      allowDownPeerBypass: settings.allowDownPeerBypass,
      advertiseKubernetesNetworks: settings.advertiseKubernetesNetworks,
      harvestExtraEndpoints: settings.harvestExtraEndpoints,
      proxy: settings.proxy?.view ?? null,
    },
    services: services.map(({ lastContactAt, double: _, ...service }) => ({
      ...service,
      lastContactAt: toWall(lastContactAt),
    })),
    kubernetes: input.kubernetes && {
      endpoint: input.kubernetes.endpoint,
      connected: input.kubernetes.isConnected,
      lastContactAt: toWall(input.kubernetes.lastContactAt),
      affiliates: input.kubernetes.affiliates.size,
      nodename: input.kubernetes.own?.name,
      podCidrs: input.kubernetes.own?.podCidrs ?? [],
      problem: input.kubernetes.problem,
    },
    affiliates,
    leftOut: memory.self?.leftOut ?? [],
    members: planMembers(affiliates),
    peers: memory.specs.map((spec) => describePeer(spec, memory.statuses.get(spec.publicKey), toWall)),
    identityConflicts: memory.identityConflicts,
    harvestedEndpoints: memory.harvested,
    routed: memory.desired === undefined ? [] : [...memory.desired.routedV4, ...memory.desired.routedV6],
    local: memory.keptLocal,
    detours: memory.detours,
    lastReconcile: memory.lastReconcile,
    counters: input.counters,
    config: input.config,
    warnings: memory.warnings,
  }
}

function describePeer(
  spec: PeerSpec,
  status: PeerStatus | undefined,
  toWall: (at: Instant | undefined) => UnixMilliseconds | undefined,
): PeerView {
  return {
    publicKey: spec.publicKey,
    nodeId: spec.nodeId,
    label: spec.label,
    address: spec.address,
    allowedIps: spec.allowedIps,
    endpoints: spec.endpoints,
    state: status?.state ?? 'unknown',
    endpoint: status?.endpoint,
    lastUsedEndpoint: status?.lastUsedEndpoint,
    lastEndpointChangeAt: toWall(status?.lastEndpointChangeAt),
    lastHandshakeAt: toWall(status?.lastHandshakeAt),
    receiveBytes: status?.receiveBytes ?? 0,
    transmitBytes: status?.transmitBytes ?? 0,
    roundTripMilliseconds: status?.roundTrip,
    reason: reasonOf(spec, status),
  }
}

/** Why a peer is not up, in words. */
function reasonOf(spec: PeerSpec, status: PeerStatus | undefined): string | undefined {
  if (status?.state === 'up')
    return spec.allowedIps.length === 0 ? 'all its addresses belong to other peers' : undefined
  const silence = reasonForSilence(spec, status)
  return spec.allowedIps.length > 0
    ? silence
    : `${silence}; other members have all its addresses: "kubespan forget ${spec.nodeId}" drops it`
}

function reasonForSilence(spec: PeerSpec, status: PeerStatus | undefined): string {
  if (spec.endpoints.length === 0) return 'it advertises no endpoint; it has to call us'
  if (status?.state === 'down')
    return status.lastHandshakeAt === undefined
      ? `no answer yet from any of ${spec.endpoints.length} endpoints`
      : 'it has gone silent'
  return 'waiting for an answer'
}
