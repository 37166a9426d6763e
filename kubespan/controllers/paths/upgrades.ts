import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address, AddressPort } from '../../../shared/net/address.ts'
import type { Placement } from '../../model/desired.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'
import {
  type AnsweredEcho,
  stepUpgrade,
  UPGRADE,
  type Upgrade,
  type UpgradeStep,
} from '../../plan/paths/upgrade.ts'
import type { Rank } from './rankings.ts'

export interface UpgradesOptions {
  readonly deafen: (placement: Placement, sources: readonly AddressPort[]) => Promise<void>
  readonly setEndpoints: (
    placement: Placement,
    endpoints: ReadonlyMap<PublicKey, AddressPort>,
  ) => Promise<void>
  /** Sends something through the tunnels that is answered. */
  readonly pull: (addresses: readonly Address[]) => void
  readonly warn: (problem: string) => void
}

export interface UpgradesInput {
  readonly specs: readonly PeerSpec[]
  /** With the endpoints that WireGuard has. */
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly rank: Rank
  readonly answered: (address: Address) => AnsweredEcho | undefined
  /** `busy`: suspect, or raced. `unsure`: nothing new is to be tried with it. */
  readonly moodOf: (publicKey: PublicKey) => 'calm' | 'unsure' | 'busy'
  readonly placement: Placement
  readonly now: Instant
}

export interface UpgradesOutcome {
  /** Where peers count as being, whatever WireGuard says: those on trial where they were before, until it has settled. */
  readonly at: ReadonlyMap<PublicKey, AddressPort>
  readonly again: Milliseconds | undefined
}

/** At a time; the others wait for their turn. */
const TRIALS_MAX = 16
const WAIT_FOR_TURN: Milliseconds = 1000
/** What nft refuses now it may take when it is another one. */
const DEAFEN_AGAIN_AFTER: Milliseconds = 600_000

/** Moves peers that are up to better paths that exist, without disturbing their sessions. */
export class Upgrades {
  readonly #options: UpgradesOptions
  #upgrades: ReadonlyMap<PublicKey, Upgrade> = new Map()
  /** Undefined: what a daemon before this one left is not known. */
  #deafTo: string | undefined
  #deafenAt: Instant = -Infinity

  constructor(options: UpgradesOptions) {
    this.#options = options
  }

  async look(input: UpgradesInput): Promise<UpgradesOutcome> {
    const { specs, placement, now } = input
    const steps = this.#step(input)
    if (!(await this.#deafen(steps, placement, now)))
      return { at: await this.end(placement), again: undefined }
    const endpoints = new Map(
      [...steps].flatMap(([key, { endpoint }]) => (endpoint === undefined ? [] : [[key, endpoint]])),
    )
    if (endpoints.size > 0) await this.#options.setEndpoints(placement, endpoints)
    const pulled = steps.size === 0 ? [] : specs.filter(({ publicKey }) => steps.get(publicKey)?.echo)
    if (pulled.length > 0) this.#options.pull(pulled.map(({ address }) => address))

    this.#upgrades = new Map(
      [...steps].flatMap(([key, { upgrade }]) => (upgrade === undefined ? [] : [[key, upgrade]])),
    )
    const nextAt = Math.min(...[...steps.values()].map(({ nextAt: at = Infinity }) => at))
    return {
      at: new Map([...endpoints, ...this.from]),
      again: Number.isFinite(nextAt) ? Math.max(0, nextAt - now) : undefined,
    }
  }

  /** Where the peers on trial were before. */
  get from(): ReadonlyMap<PublicKey, AddressPort> {
    return new Map(
      [...this.#upgrades].flatMap(([key, { trial }]) => (trial === undefined ? [] : [[key, trial.from]])),
    )
  }

  /** Ends all trials: the peers are where they were before, which is the answer. */
  async end(placement: Placement): Promise<ReadonlyMap<PublicKey, AddressPort>> {
    const { from } = this
    this.#upgrades = new Map()
    if (from.size > 0) await this.#options.setEndpoints(placement, from)
    if (this.#deafTo) await this.#hearAgain(placement)
    return from
  }

  /** Without those of whom there is nothing to try, as it mostly is. */
  #step(input: UpgradesInput): ReadonlyMap<PublicKey, UpgradeStep> {
    const { specs, statuses, rank, answered, moodOf, now } = input
    let trials = [...this.#upgrades.values()].filter(({ trial }) => trial !== undefined).length
    const steps = new Map<PublicKey, UpgradeStep>()
    for (const spec of specs) {
      const { publicKey: key } = spec
      const status = statuses.get(key)
      const before = this.#upgrades.get(key)
      const mood = status?.state === 'up' ? moodOf(key) : 'busy'
      const isOnTrial = before?.trial !== undefined
      if (!isOnTrial && before !== undefined && before.nextAt <= now && trials >= TRIALS_MAX) {
        steps.set(key, { ...WAITING, upgrade: before, nextAt: now + WAIT_FOR_TURN })
        continue
      }
      const step = stepUpgrade(
        before,
        {
          ranked: mood === 'busy' ? [] : rank(spec, status?.endpoint),
          endpoint: status?.endpoint,
          receiveBytes: status?.receiveBytes ?? 0,
          answered: answered(spec.address),
          isSteady: mood === 'calm' || (isOnTrial && mood === 'unsure'),
          now,
        },
        UPGRADE,
      )
      if (!isOnTrial && step.upgrade?.trial !== undefined) trials += 1
      if (before !== undefined || step.upgrade !== undefined) steps.set(key, step)
    }
    return steps
  }

  /** False where it cannot be done: then nothing is to be tried. */
  async #deafen(
    steps: ReadonlyMap<PublicKey, UpgradeStep>,
    placement: Placement,
    now: Instant,
  ): Promise<boolean> {
    const sources = [...new Set([...steps.values()].flatMap(({ deafTo = [] }) => deafTo))].sort()
    const text = sources.join()
    if (text === this.#deafTo) return true
    if (sources.length === 0) {
      await this.#hearAgain(placement)
      return true
    }
    if (now < this.#deafenAt) return false
    try {
      await this.#options.deafen(placement, sources)
      this.#deafTo = text
      return true
    } catch (error) {
      if (this.#deafenAt === -Infinity) this.#options.warn(`peers stay on the paths they have: ${error}`)
      this.#deafenAt = now + DEAFEN_AGAIN_AFTER
      return false
    }
  }

  /** What nft does not take away ends by itself. */
  async #hearAgain(placement: Placement): Promise<void> {
    this.#deafTo = ''
    await this.#options.deafen(placement, []).catch(() => {})
  }
}

const WAITING = { endpoint: undefined, echo: false, deafTo: undefined } as const
