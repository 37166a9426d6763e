import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { AddressPort } from '../../shared/net/address.ts'
import type { Identity } from '../model/identity.ts'
import type { ObservedLink } from '../model/observed.ts'
import type { PeerSpec, PeerStatus, PublicKey, WireGuardView } from '../model/peer.ts'
import type { Settings } from '../model/settings.ts'
import { isRelay } from '../plan/peer-look.ts'
import { beginTrial, judgePeers, stepPeers } from '../plan/peer-step.ts'
import type { RacePeer } from '../plan/plan-races.ts'
import { type RankedEndpoint, rankEndpoints } from '../plan/rank-endpoints.ts'
import type { Racer } from './racer.ts'

export interface StepInput {
  readonly specs: readonly PeerSpec[]
  readonly memory: ReadonlyMap<PublicKey, PeerStatus>
  readonly view: WireGuardView | undefined
  readonly identity: Pick<Identity, 'publicKey' | 'subnet'>
  readonly links: readonly ObservedLink[]
  readonly settings: Settings
  readonly now: Instant
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
const OLD_RACE_LOOK_EVERY: Milliseconds = 1_000

/** As the protocol has it: one candidate after the other (SPEC 6.2 to 6.4). */
export function stepByTurns({ specs, memory, view, now, settings }: StepInput): StepOutcome {
  const { statuses, endpoints } = stepPeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
  return { statuses, endpoints, resets: [], kicks: [], again: undefined }
}

/** All candidates at once, for peers that are not up. */
export async function stepByRaces(input: StepInput, racer: Racer): Promise<StepOutcome> {
  const { specs, memory, view, now, settings, identity } = input
  const judged = judgePeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
  const ranked = new Map(
    specs.map((spec) => [spec.publicKey, rankCandidates(input, spec, judged.get(spec.publicKey)?.endpoint)]),
  )
  const peers = specs.map(({ publicKey }): RacePeer => {
    const endpoint = view?.peers.get(publicKey)?.endpoint
    const status = judged.get(publicKey)
    return {
      publicKey,
      state: status?.state === 'up' ? 'up' : 'down',
      ranked: ranked.get(publicKey) ?? [],
      isOnRelay: endpoint === undefined || isRelay(endpoint),
      receiveBytes: status?.receiveBytes ?? 0,
      isFollower: identity.publicKey > publicKey,
    }
  })
  const { endpoints, starts, racing, nextAt } = await racer.plan(peers, now)

  const statuses = new Map(judged)
  for (const { publicKey, isRetry } of starts) {
    const status = judged.get(publicKey)
    const best = ranked.get(publicKey)?.[0]?.endpoint
    if (!isRetry && status !== undefined && best !== undefined)
      statuses.set(publicKey, beginTrial(status, status.endpoint ?? best, now))
  }
  const isThere = ({ publicKey }: { publicKey: PublicKey }): boolean => view?.peers.has(publicKey) === true
  return {
    statuses,
    endpoints,
    resets: starts.filter((start) => start.reset && isThere(start)).map(({ publicKey }) => publicKey),
    kicks: starts.filter((start) => !start.reset && isThere(start)).map(({ publicKey }) => publicKey),
    again: lookAgain(racing, statuses, now, nextAt),
  }
}

function rankCandidates(
  { links, identity, settings }: StepInput,
  { endpoints }: PeerSpec,
  observed: AddressPort | undefined,
): readonly RankedEndpoint[] {
  return rankEndpoints(endpoints, {
    links,
    meshSubnet: identity.subnet,
    lastWorked: undefined,
    observed,
    ...settings.filters,
  }).ranked
}

function lookAgain(
  racing: number,
  statuses: ReadonlyMap<PublicKey, PeerStatus>,
  now: Instant,
  nextAt: Instant | undefined,
): Milliseconds | undefined {
  const planned = nextAt === undefined ? Infinity : Math.max(0, nextAt - now)
  if (racing === 0) return Number.isFinite(planned) ? planned : undefined
  const isYoung = [...statuses.values()].some(
    ({ state, lastEndpointChangeAt }) =>
      state !== 'up' && now - (lastEndpointChangeAt ?? -Infinity) < YOUNG_RACE,
  )
  return Math.min(planned, isYoung ? YOUNG_RACE_LOOK_EVERY : OLD_RACE_LOOK_EVERY)
}
