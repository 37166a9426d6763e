import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { EndpointClass, RankedEndpoint } from './rank-endpoints.ts'

export interface UpgradeSettings {
  /** The pause before the first attempt on a path; after each in vain it is `growth` times as long, up to the cap. */
  readonly pause: Milliseconds
  readonly growth: number
  readonly pauseCap: Milliseconds
  /** A path is given up after so many round-trip times of silence, and not before `silence`. */
  readonly roundTrips: number
  readonly silence: Milliseconds
  /** So often a peer is touched whose packets on the old path undo that before the next look. */
  readonly touches: number
  /** For how long: what is sent meanwhile is lost where the path is dead. */
  readonly touchFor: Milliseconds
  /** How often the trial looks, and writes again what packets in flight have undone. */
  readonly lookEvery: Milliseconds
  /** A trial that has not settled by then has failed. */
  readonly longest: Milliseconds
}

export const UPGRADE: UpgradeSettings = {
  pause: 5000,
  growth: 6,
  pauseCap: 6 * 3_600_000,
  roundTrips: 3,
  silence: 300,
  touches: 4,
  touchFor: 30,
  lookEvery: 50,
  longest: 3000,
}

/**
 * The classes that are worth leaving a working path for. A shared private range is not: hosts with a bridge for pods share 10.0.0.0/8
 * with everybody behind a NAT somewhere, each attempt may cost a packet, and where such a path works it has won the race already.
 */
const WORTH: ReadonlySet<EndpointClass> = new Set(['in a preferred range', 'on a shared link'])

/** Of one peer that is up. */
export interface Upgrade {
  /** The better paths that exist: when these change, the pauses begin anew. */
  readonly better: readonly AddressPort[]
  readonly attempts: number
  readonly nextAt: Instant
  readonly trial: Trial | undefined
}

export interface Trial {
  readonly from: AddressPort
  readonly to: AddressPort
  /**
   * `touch`: `to` stands for a moment, in which an echo is sent, and then `from` again; whoever was touched answers by the new
   * path, which pulls us there. `move`: it was heard there, and is to stay there.
   */
  readonly phase: 'touch' | 'move'
  readonly touches: number
  /** When it was last touched, or began to move. */
  readonly startedAt: Instant
  /** The look at which `from` was put back; undefined as long as it was not. */
  readonly backAt: Instant | undefined
  /** What had arrived at the last look. */
  readonly receiveBytes: number
  /** `to` stood at that look: what arrives after it comes that way, or pulls us back. */
  readonly hasStood: boolean
  /** Since when `to` has stood and was heard; undefined before, and after it was pulled back. */
  readonly heardSince: Instant | undefined
  readonly lastHeardAt: Instant | undefined
}

/** An echo through the tunnel, answered by whichever path. */
export interface AnsweredEcho {
  readonly askedAt: Instant
  /** It was on its way by then: a process that asks takes its time to start. */
  readonly sentBefore: Instant
  readonly roundTrip: Milliseconds
}

export interface UpgradeInput {
  readonly ranked: readonly RankedEndpoint[]
  /** Where WireGuard has the peer now. */
  readonly endpoint: AddressPort | undefined
  readonly receiveBytes: number
  /** The latest; undefined where there was none. */
  readonly answered: AnsweredEcho | undefined
  /** Up, and nothing else is tried with it. */
  readonly isSteady: boolean
  readonly now: Instant
}

export interface UpgradeStep {
  /** Undefined when there is nothing better to try. */
  readonly upgrade: Upgrade | undefined
  /** To be written without resetting the session. */
  readonly endpoint: AddressPort | undefined
  /** An echo is to be sent through the tunnel: it pulls the peer to the new path, and its answer comes that way. */
  readonly echo: boolean
  /**
   * Packets from here are to be dropped on arrival, from before `endpoint` is written until this is undefined again. Without
   * that a move under heavy traffic may end either way.
   */
  readonly deafTo: AddressPort | undefined
  readonly nextAt: Instant | undefined
}

/**
 * Moves a live session to a better path, or leaves it where it is. First the peer is only touched there: on a path that is dead
 * next to nothing may be lost. If it answers by that path, the endpoint is moved for good, unless it falls silent.
 *
 * WireGuard roams to where the last packet came from. So an endpoint that still stands after something arrived is proof that
 * it was heard. But packets on the old path pull it back, and with it the peer, which roams as well: under steady
 * traffic the two ends could chase each other for ever. Hence we are deaf to the old path while we move: all that we send goes
 * the new way, the peer follows once what was in flight has landed, and both ends agree even if both try at once.
 */
export function stepUpgrade(
  before: Upgrade | undefined,
  input: UpgradeInput,
  settings: UpgradeSettings,
): UpgradeStep {
  if (before?.trial !== undefined) return stepTrial(before, before.trial, input, settings)
  const { endpoint, now, receiveBytes } = input
  const better = betterThan(endpoint, input.ranked)
  if (better.length === 0 || endpoint === undefined || !input.isSteady) return NOTHING
  const isSame = before !== undefined && before.better.join() === better.join()
  const upgrade = isSame ? before : { better, attempts: 0, nextAt: now + settings.pause, trial: undefined }
  if (now < upgrade.nextAt) return { upgrade, ...QUIET, nextAt: upgrade.nextAt }
  const to = better[upgrade.attempts % better.length] as AddressPort
  const trial: Trial = {
    ...{ from: endpoint, to, phase: 'touch', touches: 1, startedAt: now, receiveBytes, hasStood: false },
    ...{ backAt: undefined, heardSince: undefined, lastHeardAt: undefined },
  }
  return underway(upgrade, trial, to, now, settings)
}

function stepTrial(
  upgrade: Upgrade,
  trial: Trial,
  input: UpgradeInput,
  settings: UpgradeSettings,
): UpgradeStep {
  const { endpoint, now, isSteady } = input
  const stands = endpoint === trial.to
  // The peer moved elsewhere by itself, or something else is wrong with it: whoever sees to that decides.
  if (!isSteady || (!stands && endpoint !== trial.from)) return failed(upgrade, now, undefined, settings)
  return trial.phase === 'move'
    ? stepMove(upgrade, trial, stands, input, settings)
    : stepTouch(upgrade, trial, stands, input, settings)
}

const limitOf = ({ answered }: UpgradeInput, { roundTrips, silence }: UpgradeSettings): Milliseconds =>
  Math.max(roundTrips * (answered?.roundTrip ?? 0), silence)

function stepTouch(
  upgrade: Upgrade,
  trial: Trial,
  stands: boolean,
  input: UpgradeInput,
  settings: UpgradeSettings,
): UpgradeStep {
  const { from, to, touches, startedAt, backAt } = trial
  const { now, receiveBytes, answered } = input
  const isBack = backAt !== undefined
  const move: Trial = { ...trial, phase: 'move', startedAt: now, receiveBytes }
  const hasArrived = receiveBytes > trial.receiveBytes
  const isAnswered =
    answered !== undefined &&
    answered.askedAt >= startedAt &&
    answered.sentBefore <= (backAt ?? Number.POSITIVE_INFINITY)
  if (stands && (isBack || isAnswered || (hasArrived && trial.hasStood)))
    return underway(upgrade, { ...move, heardSince: now, lastHeardAt: now }, undefined, now, settings)
  // It may have arrived by the old path after that look and before `to` was written.
  if (stands && hasArrived)
    return underway(upgrade, { ...trial, receiveBytes, hasStood: true }, undefined, now, settings)
  // Pulled back by what came on the old path; or by us, just when the answer came.
  if (!stands && (!isBack || isAnswered)) {
    const again: Trial = { ...trial, touches: touches + 1, startedAt: now, backAt: undefined }
    // Under traffic as heavy as that nothing can be told from a touch.
    return touches === settings.touches
      ? underway(upgrade, move, to, now, settings)
      : underway(upgrade, { ...again, receiveBytes, hasStood: false }, to, now, settings)
  }
  const back = stands ? from : undefined
  if (now - startedAt >= limitOf(input, settings)) return failed(upgrade, now, back, settings)
  return {
    ...QUIET,
    upgrade: { ...upgrade, trial: { ...trial, backAt: backAt ?? now } },
    endpoint: back,
    nextAt: now + settings.lookEvery,
  }
}

function stepMove(
  upgrade: Upgrade,
  trial: Trial,
  stands: boolean,
  input: UpgradeInput,
  settings: UpgradeSettings,
): UpgradeStep {
  const { now, receiveBytes } = input
  const { from, to, startedAt } = trial
  const isHeard = stands && receiveBytes > trial.receiveBytes
  const heardSince = stands ? (trial.heardSince ?? (isHeard ? now : undefined)) : undefined
  const lastHeardAt = isHeard ? now : trial.lastHeardAt
  const limit = limitOf(input, settings)
  const isSilent = now - (lastHeardAt ?? startedAt) >= limit
  if (isSilent || now - startedAt >= settings.longest)
    return failed(upgrade, now, stands ? from : undefined, settings)
  if (heardSince !== undefined && now - heardSince >= limit) return NOTHING
  const next = { ...trial, receiveBytes, heardSince, lastHeardAt }
  return underway(upgrade, next, stands ? undefined : to, now, settings)
}

const underway = (
  upgrade: Upgrade,
  trial: Trial,
  endpoint: AddressPort | undefined,
  now: Instant,
  { lookEvery, touchFor }: UpgradeSettings,
): UpgradeStep => ({
  upgrade: { ...upgrade, trial },
  endpoint,
  echo: true,
  deafTo: trial.phase === 'move' ? trial.from : undefined,
  nextAt: now + (trial.phase === 'touch' ? touchFor : lookEvery),
})

const QUIET = { endpoint: undefined, echo: false, deafTo: undefined } as const
const NOTHING: UpgradeStep = { upgrade: undefined, ...QUIET, nextAt: undefined }

function failed(
  { better, attempts }: Upgrade,
  now: Instant,
  endpoint: AddressPort | undefined,
  { pause, growth, pauseCap }: UpgradeSettings,
): UpgradeStep {
  const nextAt = now + Math.min(pauseCap, pause * growth ** (attempts + 1))
  const upgrade = { better, attempts: attempts + 1, nextAt, trial: undefined }
  return { upgrade, ...QUIET, endpoint, nextAt }
}

/** Endpoints of a better class than the one in use, best first. One that is not among them is as good as the worst. */
function betterThan(
  endpoint: AddressPort | undefined,
  ranked: readonly RankedEndpoint[],
): readonly AddressPort[] {
  if (ranked[0]?.endpoint === endpoint) return NONE
  const rank = ranked.find((one) => one.endpoint === endpoint)?.rank ?? Number.POSITIVE_INFINITY
  return ranked.filter((one) => WORTH.has(one.class) && one.rank < rank).map((one) => one.endpoint)
}

const NONE: readonly AddressPort[] = []
