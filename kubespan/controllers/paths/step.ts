import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { Identity } from '../../model/identity.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PeerSpec, PeerStatus, PublicKey, WireGuardView } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import { isRelay } from '../../plan/paths/peer-look.ts'
import { beginTrial, stepPeers } from '../../plan/paths/peer-step.ts'
import type { RacePeer } from '../../plan/paths/plan-races.ts'
import { QUICK_ROTATION, type Rotation, stepRotation } from '../../plan/paths/quick-rotation.ts'
import { candidatesOfRound } from '../../plan/paths/race-candidates.ts'
import type { RaceOrders, Racer } from './racer.ts'
import type { Rank } from './rankings.ts'

export interface StepInput {
  readonly specs: readonly PeerSpec[]
  readonly memory: ReadonlyMap<PublicKey, PeerStatus>
  readonly view: WireGuardView | undefined
  readonly identity: Pick<Identity, 'publicKey' | 'subnet'>
  readonly links: readonly ObservedLink[]
  readonly settings: Settings
  /** Others claim what these have: are they still there? */
  readonly challenged?: ReadonlySet<PublicKey>
  readonly now: Instant
}

/** With what is known when paths are found faster than the protocol asks for. */
export interface PathInput extends StepInput {
  readonly judged: ReadonlyMap<PublicKey, PeerStatus>
  /** Up, but nothing arrives through it. */
  readonly suspects: ReadonlySet<PublicKey>
  readonly rank: Rank
}

export interface StepOutcome {
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  /** To be written; all other endpoints are left alone. */
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
  /** To be removed before they are written again: on a live session nothing else makes the kernel begin anew. */
  readonly resets: readonly PublicKey[]
  /** There already, and to be made to send a handshake. */
  readonly kicks: readonly PublicKey[]
  /** When to look again, for the races' sake; undefined when none is run. */
  readonly again: Milliseconds | undefined
}

/** A race is won within tens of milliseconds; the longer it lasts the less a look is worth. */
const YOUNG_RACE: Milliseconds = 3_000
const YOUNG_RACE_LOOK_EVERY: Milliseconds = 100
/** While a peer is on trial its state is worth more than the cost of asking WireGuard. */
const TRIAL_LOOK_EVERY: Milliseconds = 500
/** Who advertises no endpoint calls us: soon after it is first known, or whenever it pleases. */
const CALLS_WITHIN: Milliseconds = 15_000
const CALLER_LOOK_EVERY: Milliseconds = 5_000
/** Who has lost a race is silent, as it mostly is, and one that comes back calls us. */
const SILENT_LOOK_EVERY: Milliseconds = 1_000

/** As the protocol has it: one candidate after the other (SPEC 6.2 to 6.4). */
export function stepByTurns({ specs, memory, view, now, settings }: StepInput): StepOutcome {
  const { statuses, endpoints } = stepPeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
  return { statuses, endpoints, resets: [], kicks: [], again: undefined }
}

/** All candidates at once, for peers that are not up or whose path seems dead. */
export async function stepByRaces(input: PathInput, racer: Racer): Promise<StepOutcome> {
  const { specs, view, now, identity, judged, suspects, rank } = input
  racer.beginAnew(offRelay(racer, view))
  const underway = racer.onRelay
  const peers = specs.flatMap((spec): RacePeer | readonly RacePeer[] => {
    const { publicKey } = spec
    const endpoint = view?.peers.get(publicKey)?.endpoint
    const status = judged.get(publicKey)
    const isRacing = underway.has(publicKey)
    const isOnRelay = isRelay(endpoint)
    const isSuspect = suspects.has(publicKey) || (isOnRelay && !isRacing)
    const state = status?.state !== 'up' ? 'down' : isSuspect ? 'suspect' : 'up'
    // Of most peers there is nothing to plan, and of a thousand that counts.
    if (state === 'up' && !isRacing) return []
    return {
      publicKey,
      state,
      ranked: state === 'up' ? [] : rank(spec, status?.heardFrom ?? status?.endpoint),
      endpoint: isOnRelay ? undefined : endpoint,
      receiveBytes: status?.receiveBytes ?? 0,
      isFollower: identity.publicKey > publicKey,
    }
  })
  const ranked = new Map(peers.map((peer) => [peer.publicKey, peer.ranked]))
  const orders = await racer.plan(peers, now)
  const { endpoints, starts } = orders

  const statuses = new Map(judged)
  for (const { publicKey, isRetry, reset } of starts) {
    const status = judged.get(publicKey)
    const best = ranked.get(publicKey)?.[0]?.endpoint
    if (status === undefined || best === undefined) continue
    const begun = isRetry ? status : beginTrial(status, status.endpoint ?? best, now)
    // Its next handshake is another one, be it within the same second.
    statuses.set(publicKey, reset ? { ...begun, lastHandshakeStamp: undefined } : begun)
  }
  const isThere = ({ publicKey }: { publicKey: PublicKey }): boolean => view?.peers.has(publicKey) === true
  return {
    statuses,
    endpoints,
    resets: starts.filter((start) => start.reset && isThere(start)).map(({ publicKey }) => publicKey),
    kicks: starts.filter((start) => !start.reset && isThere(start)).map(({ publicKey }) => publicKey),
    again: lookAgain(orders, statuses, now),
  }
}

/**
 * Who is raced and has no endpoint at all: the peer, or its link, was removed by somebody and made again, and its kernel will never
 * call the relay that it no longer knows of.
 */
const offRelay = (racer: Racer, view: WireGuardView | undefined): PublicKey[] =>
  [...racer.onRelay.keys()].filter((key) => {
    const peer = view?.peers.get(key)
    return peer !== undefined && peer.endpoint === undefined
  })

/** One candidate after the other, but quickly and the best one first: where races cannot run. */
export function stepByRotation(
  input: PathInput,
  before: ReadonlyMap<PublicKey, Rotation>,
): StepOutcome & { readonly rotations: ReadonlyMap<PublicKey, Rotation> } {
  const { specs, view, now, judged, suspects, rank } = input
  const statuses = new Map(judged)
  const endpoints = new Map<PublicKey, AddressPort>()
  const rotations = new Map<PublicKey, Rotation>()
  for (const spec of specs) {
    const key = spec.publicKey
    const status = judged.get(key)
    if (status === undefined) continue
    const isLeftOnRelay = isRelay(view?.peers.get(key)?.endpoint)
    const isSuspect = status.state === 'up' && (suspects.has(key) || isLeftOnRelay)
    if (status.state === 'up' && !isSuspect) continue
    const rotated = isSuspect ? undefined : before.get(key)
    const ranked = candidatesOfRound(rank(spec, status.heardFrom ?? status.endpoint), rotated)
    const { rotation, endpoint } = stepRotation(ranked, rotated, now, QUICK_ROTATION)
    rotations.set(key, rotation)
    if (endpoint === undefined) continue
    endpoints.set(key, endpoint)
    const isNewRound = rotation.turn % ranked.length === 0
    const begun = isNewRound
      ? beginTrial(status, endpoint, now)
      : { ...status, endpoint, lastUsedEndpoint: endpoint }
    statuses.set(key, { ...begun, lastHandshakeStamp: undefined })
  }
  const nextAt = Math.min(...Array.from(rotations.values(), (rotation) => rotation.nextAt))
  return {
    statuses,
    endpoints,
    resets: [...endpoints.keys()].filter((key) => view?.peers.has(key) === true),
    kicks: [],
    again: Number.isFinite(nextAt) ? Math.max(0, nextAt - now) : undefined,
    rotations,
  }
}

function lookAgain(
  { racing, freshSince, nextAt = Infinity }: RaceOrders,
  statuses: ReadonlyMap<PublicKey, PeerStatus>,
  now: Instant,
): Milliseconds | undefined {
  const trial = trialLook(statuses, now)
  const isOnTrial = trial <= TRIAL_LOOK_EVERY
  const isFresh = freshSince !== undefined
  const isYoung = isFresh && now - freshSince < YOUNG_RACE
  const slowly = racing > 0 || isOnTrial ? SILENT_LOOK_EVERY : trial
  const pace = isYoung ? YOUNG_RACE_LOOK_EVERY : isFresh && isOnTrial ? trial : slowly
  const again = Math.min(pace, Math.max(0, nextAt - now))
  return Number.isFinite(again) ? again : undefined
}

/** When to look again for the sake of those who may come up, apart from races; Infinity when there are none. */
export function trialLook(statuses: ReadonlyMap<PublicKey, PeerStatus>, now: Instant): Milliseconds {
  let again = Infinity
  for (const { state, lastEndpointChangeAt, notUpSince = now } of statuses.values()) {
    if (state !== 'unknown') continue
    if (lastEndpointChangeAt !== undefined || now - notUpSince < CALLS_WITHIN) return TRIAL_LOOK_EVERY
    again = CALLER_LOOK_EVERY
  }
  return again
}
