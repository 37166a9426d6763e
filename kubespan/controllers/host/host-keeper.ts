import type { Clock, Instant } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { DesiredState, Placement } from '../../model/desired.ts'
import type { Identity } from '../../model/identity.ts'
import type { PeerSpec, PublicKey, WireGuardView } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import type { MeshCounters } from '../counters.ts'
import type { ApplyOutcome, MeshHost } from '../mesh-host.ts'
import { StrayWatch } from './stray-watch.ts'

export interface HostKeeperOptions {
  readonly host: Pick<
    MeshHost,
    | 'apply'
    | 'kickPeers'
    | 'placements'
    | 'removeGuards'
    | 'removeLink'
    | 'resetPeers'
    | 'setEndpoints'
    | 'takeBack'
  >
  readonly clock: Pick<Clock, 'now'>
  readonly counters: Pick<MeshCounters, 'hostChanged' | 'strayed'>
  readonly warn: (problem: string) => void
}

export interface KeepInput {
  readonly desired: DesiredState
  /** What `desired.peers` are made of, apart from the endpoints that are to be written. */
  readonly specs: readonly PeerSpec[]
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
  readonly resets: readonly PublicKey[]
  /** To be made to send a handshake once the rest is done. */
  readonly kicks: readonly PublicKey[]
  /** Undefined when there is no link of ours. */
  readonly view: WireGuardView | undefined
  readonly identity: Identity
  readonly settings: Settings
  /** Something on the host may have changed, so it is compared as a whole. */
  readonly isSuspect: boolean
}

/**
 * Keeps the host as it is desired. It is compared as a whole when the desired state changed, when that is due, and when the link is
 * gone; the endpoints of peers, which races change all the time, are else written alone.
 */
export class HostKeeper {
  readonly #options: HostKeeperOptions
  /** Under which names we, or who ran before us, have made things on this host; the last ones are in use. */
  #standing: readonly Placement[] | undefined
  #lookedAt: Instant = 0
  #inLineWith = ''
  /** Of the last comparison: they stand until the next. */
  #warnings: readonly string[] = []
  #detours: readonly string[] = []
  #strays = new StrayWatch()
  readonly #text = new Last<string>()

  constructor(options: HostKeeperOptions) {
    this.#options = options
  }

  /** Rules, routes and chains of others that lead packets for the mesh elsewhere, in words. */
  get detours(): readonly string[] {
    return this.#detours
  }

  get standing(): Placement | undefined {
    return this.#standing?.at(-1)
  }

  /**
   * Disabled: takes everything back. Under other names and numbers than before: removes a link that would be in the way of the
   * new one. Its marks and rules stay, so that nothing leaves in clear, until the new ones are there. True if links have gone.
   */
  async leaveOld(settings: Settings): Promise<boolean> {
    const { enabled, placement } = settings
    const standing = await this.#recall(settings)
    if (!enabled) {
      if (standing.length > 0) await this.#takeBack(standing, settings)
      return standing.length > 0
    }
    let hasLinkGone = false
    for (const old of allBut(placement, standing))
      if (old.linkName !== placement.linkName && (await this.#options.host.removeLink(old)))
        hasLinkGone = true
    return hasLinkGone
  }

  /** Takes back what stands, under whatever names. Called when no pass runs any more. */
  async leave(settings: Settings): Promise<void> {
    const standing = await this.#recall(settings)
    await this.#takeBack(standing.length > 0 ? standing : [settings.placement], settings)
  }

  async #takeBack(placements: readonly Placement[], settings: Settings): Promise<void> {
    for (const placement of placements) await this.#options.host.takeBack(placement)
    this.#inLineWith = ''
    this.#warnings = []
    this.#detours = []
    this.#strays = new StrayWatch()
    await this.#stand([], settings)
  }

  /** With what was made before this start, under names that may not be ours any more. */
  async #recall(settings: Settings): Promise<readonly Placement[]> {
    this.#standing ??= await this.#options.host.placements.load(settings)
    return this.#standing
  }

  async #stand(placements: readonly Placement[], settings: Settings): Promise<void> {
    const { host, warn } = this.#options
    const before = await this.#recall(settings)
    this.#standing = placements
    if (isSame(before, placements)) return
    try {
      await host.placements.save(settings, placements)
    } catch (error) {
      warn(`the placement cannot be stored: ${messageOf(error)}`)
    }
  }

  async keep(input: KeepInput): Promise<ApplyOutcome> {
    const { kicks, settings } = input
    const outcome = await this.#bringInLine(input)
    if (kicks.length > 0) await this.#options.host.kickPeers(settings.placement, kicks)
    return outcome
  }

  async #bringInLine(input: KeepInput): Promise<ApplyOutcome> {
    const { desired, endpoints, resets, view, identity, settings, isSuspect } = input
    const { host, clock, counters } = this.#options
    if (resets.length > 0) await host.resetPeers(settings.placement, resets)
    const text = this.#textOf(input)
    const wasInLine = text === this.#inLineWith
    const isDue = isSuspect || clock.now() - this.#lookedAt >= settings.timing.reconcileEvery
    if (wasInLine && !isDue && view !== undefined && resets.length === 0) {
      const written = await this.#writeEndpoints(input, view)
      if (written !== undefined) return written
    }
    const { placement } = settings
    const others = allBut(placement, await this.#recall(settings))
    await this.#stand([...others, placement], settings)
    // A failed attempt leaves something half done, which the next pass must look at.
    this.#inLineWith = ''
    const startedAt = clock.now()
    const outcome = await host.apply(desired, identity, settings)
    for (const old of others) await host.removeGuards(old, placement)
    await this.#stand([placement], settings)
    counters.hostChanged(outcome.changes, wasInLine && endpoints.size === 0 && resets.length === 0)
    const strays = counters.strayed(outcome.strayPackets)
    const { detours = [], hasMendedWays: hasMended = false } = outcome
    const unexplained = this.#strays.look({ strays, hasMended, hasDetours: detours.length > 0 }, startedAt)
    const more = unexplained === undefined ? [] : [unexplained]
    this.#warnings = [...more, ...outcome.warnings]
    this.#detours = [...more, ...detours]
    this.#inLineWith = text
    this.#lookedAt = startedAt
    return { ...outcome, warnings: this.#warnings }
  }

  #textOf({ desired, specs }: KeepInput): string {
    const { peers, routedV4, routedV6, ...rest } = desired
    return this.#text.of([specs, routedV4, routedV6, JSON.stringify(rest)], () =>
      JSON.stringify({
        ...desired,
        peers: peers.map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps })),
      }),
    )
  }

  /** Undefined where that does not do: of a peer that has gone, that was sent nothing so far, or that `wg` refuses. */
  async #writeEndpoints(
    { endpoints, kicks, settings: { placement } }: KeepInput,
    { peers }: WireGuardView,
  ): Promise<ApplyOutcome | undefined> {
    const { host, counters } = this.#options
    const others = [...endpoints].filter(([key, endpoint]) => peers.get(key)?.endpoint !== endpoint)
    const warnings = this.#warnings
    if (others.length === 0) return { changes: 0, warnings }
    const mayCall = ([key]: readonly [PublicKey, AddressPort]): boolean =>
      (peers.get(key)?.keepaliveSeconds ?? 0) > 0 || (peers.has(key) && kicks.includes(key))
    if (!others.every(mayCall)) return undefined
    try {
      await host.setEndpoints(placement, new Map(others))
    } catch {
      // What was wrong is said by the whole comparison that follows.
      return undefined
    }
    counters.hostChanged(others.length, false)
    return { changes: others.length, isUnsettled: false, warnings }
  }
}

const isSame = <T extends Placement | readonly Placement[]>(one: T, other: T): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

const allBut = (placement: Placement, placements: readonly Placement[]): readonly Placement[] =>
  placements.filter((other) => !isSame(other, placement))
