import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import { Last } from '../../shared/last.ts'
import type { Outcome } from '../../shared/reconcile/reconciler.ts'
import type { DesiredState, Placement } from '../model/desired.ts'
import type { Identity } from '../model/identity.ts'
import type { Settings } from '../model/settings.ts'
import { describeHolding } from '../plan/arbitrate-overlaps.ts'
import { DesiredRecall, planDesiredState } from '../plan/desired-state.ts'
import { planHarvest } from '../plan/harvest.ts'
import { describeConflict } from '../plan/peer-specs.ts'
import { nextDeadline, unconfirmed, unconfirmedIds } from '../plan/retain.ts'
import { announceStates, type MeshLog } from './announce.ts'
import { gatherBypass } from './bypass.ts'
import { CacheKeeper } from './cache-keeper.ts'
import { MeshCounters } from './counters.ts'
import type { DiscoveryPool } from './discovery-pool.ts'
import { FilterLog } from './filter-log.ts'
import { GatherRecall, gatherPeers } from './gather.ts'
import type { KubernetesTier } from './kubernetes-tier.ts'
import { LinkKeeper } from './link-keeper.ts'
import type { ApplyOutcome, MeshHost } from './mesh-host.ts'
import { describeOwn } from './own-affiliate.ts'
import { Paths } from './paths.ts'
import type { Racer } from './racer.ts'
import { EMPTY_MEMORY, type MeshMemory } from './view.ts'

export interface MeshControllerOptions {
  readonly host: MeshHost
  readonly pool: DiscoveryPool
  readonly kubernetes?: Pick<KubernetesTier, 'report' | 'follow' | 'publish'>
  /** Undefined where races cannot run: candidates are then tried by turns. */
  readonly racer: (settings: Settings) => Promise<Racer | undefined>
  readonly clock: Clock
  readonly log: MeshLog
  /** The memory has changed. */
  readonly onChange: () => void
}

/** While a peer is on trial its state is worth more than the cost of asking WireGuard. */
const TRIAL_LOOK_EVERY: Milliseconds = 500
/** A few passes in a row after changes, so that what a change causes (a new link address, a handshake) is seen at once. */
const SETTLE_LOOK_AFTER: Milliseconds = 100

/** The pass of the daemon: observe → plan → diff → apply → remember. Everything it remembers is in `memory`. */
export class MeshController {
  readonly counters = new MeshCounters()
  readonly #options: MeshControllerOptions
  readonly #cache: CacheKeeper
  readonly #filters: FilterLog
  readonly #paths: Paths
  #settings: Settings
  #memory: MeshMemory = EMPTY_MEMORY
  /** Under which names we have made things on this host. */
  #standing: Placement | undefined
  #lastFullAt: Instant = 0
  readonly #links: LinkKeeper
  /** In the last pass we changed something on the host. */
  #hasChanged = true
  /** May be set while a pass looks: what happens then is seen by the next one. */
  #mustLook = true
  #listeningSince: Instant | undefined
  #lastDesired = ''
  readonly #desiredText = new Last<string>()
  readonly #gathered = new GatherRecall()
  readonly #planned = new DesiredRecall()
  #said = new Set<string>()
  readonly #forgotten = new Set<string>()

  constructor(options: MeshControllerOptions, settings: Settings) {
    this.#options = options
    this.#settings = settings
    const { host, clock, racer, log } = options
    const warn = (problem: string): void => log.warn({}, problem)
    this.#paths = new Paths({ clock, racer, host, warn })
    this.#links = new LinkKeeper(() => host.links(), clock)
    this.#cache = new CacheKeeper(host.affiliates, clock, warn)
    this.#filters = new FilterLog(log)
  }

  get memory(): MeshMemory {
    return this.#memory
  }

  /** Takes effect in the next pass. */
  follow(settings: Settings): void {
    this.#settings = settings
    this.#mustLook = true
  }

  /** Drops an unconfirmed affiliate in the next pass. False when none is called so. */
  forget(idOrName: string): boolean {
    const found = this.#memory.retained.find(
      ({ affiliate, unconfirmedUntil }) =>
        unconfirmedUntil !== undefined && (affiliate.nodeId === idOrName || affiliate.nodename === idOrName),
    )
    if (found !== undefined) this.#forgotten.add(found.affiliate.nodeId)
    return found !== undefined
  }

  /** The next pass compares the whole host, as something on it may have changed. */
  suspectDrift(): void {
    this.#mustLook = true
  }

  /** Leaves no peer on a relay that nobody answers any more. Called when no pass runs. */
  async endRaces(racer: Racer): Promise<void> {
    if (this.#standing !== undefined && racer.onRelay.size > 0)
      await this.#options.host.setEndpoints(this.#standing, racer.onRelay)
  }

  async pass(): Promise<Outcome> {
    const startedAt = this.#options.clock.now()
    this.counters.passBegins(startedAt)
    try {
      const { outcome, changes } = await this.#pass(this.#settings)
      this.#noteReconcile(startedAt, changes, undefined)
      return outcome
    } catch (error) {
      this.#noteReconcile(startedAt, 0, error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  async #pass(settings: Settings): Promise<{ outcome: Outcome; changes: number }> {
    const { host, pool, kubernetes, clock } = this.#options
    await this.#leaveOldPlacement(settings)
    const { reconcileEvery } = settings.timing
    const links = await this.#links.links(this.#mustLook || this.#hasChanged, reconcileEvery)
    const identity = await host.identity(settings, links)
    await pool.follow(settings, identity.nodeId, links)
    await kubernetes?.follow(settings, identity.nodeId)
    const local = describeOwn({
      settings,
      links,
      identity,
      own: kubernetes?.report?.own,
      publicAddresses: pool.publicAddresses,
    })
    if (!settings.enabled) {
      if (local !== undefined) pool.publish(local.affiliate)
      this.#memory = { ...EMPTY_MEMORY, identity, local: local?.affiliate, warnings: local?.warnings ?? [] }
      return { outcome: {}, changes: 0 }
    }

    const cached = await this.#cache.first(settings)
    if (cached !== undefined) this.#memory = { ...this.#memory, retained: unconfirmed(cached) }
    const view = await host.wireguard(settings)
    const now = clock.now()
    this.#listeningSince ??= now
    const { conflicts, ...gathered } = gatherPeers(
      {
        memory: this.#memory,
        reports: pool.reports,
        kubernetes: kubernetes?.report,
        listeningSince: this.#listeningSince,
        identity,
        settings,
        forgotten: this.#forgotten,
        now,
      },
      this.#gathered,
    )
    const { specs, holdings } = gathered
    const memory = this.#memory.statuses
    const step = await this.#paths.step({ specs, memory, view, identity, links, settings, now })
    const { statuses, endpoints, racePort } = step
    const harvested = settings.harvestExtraEndpoints
      ? planHarvest(specs, statuses, unconfirmedIds(gathered.retained))
      : []
    if (local !== undefined) {
      pool.publish(local.affiliate, harvested, specs)
      kubernetes?.publish(local.affiliate)
    }

    const desired: DesiredState = {
      ...planDesiredState({ ...settings, identity, specs, statuses, endpoints }, this.#planned),
      bypass: gatherBypass({
        settings,
        links,
        goals: pool.goals,
        apiServers: kubernetes?.report?.apiServers ?? [],
        addressesOf: (names) =>
          host.addressesOf(
            names,
            pool.statuses.some(({ connected }) => !connected),
          ),
      }),
      racePort,
    }
    const warnings = [
      ...(local?.warnings ?? []),
      ...(kubernetes?.report?.problem === undefined ? [] : [`kubernetes: ${kubernetes.report.problem}`]),
      ...conflicts.map(describeConflict),
      ...[...holdings].map(([prefix, holding]) => describeHolding(prefix, holding)),
    ]
    if (step.resets.length > 0) await host.resetPeers(settings.placement, step.resets)
    const mustApply = view === undefined || step.resets.length > 0 || endpoints.size > 0
    const applied = await this.#apply(desired, identity, settings, mustApply)
    if (step.kicks.length > 0) await host.kickPeers(settings.placement, step.kicks)
    this.#filters.tell({ ...gathered, dropped: local?.dropped ?? [], statuses, links, identity, settings })
    announceStates(this.#options.log, this.#memory.statuses, statuses, specs)
    this.counters.peersLooked(this.#memory.statuses, statuses)
    this.#memory = {
      ...this.#memory,
      identity,
      links,
      local: local?.affiliate,
      ...gathered,
      statuses,
      harvested,
      desired,
      warnings: [...warnings, ...applied.warnings],
    }
    this.#forgotten.clear()
    await this.#cache.keep(settings, gathered.retained)
    this.#sayOnce(this.#memory.warnings)
    return {
      outcome: {
        again: this.#nextLook(settings, applied.isUnsettled ?? applied.changes > 0, now, step.again),
      },
      changes: applied.changes,
    }
  }

  /** Disabled, or moved to other names and numbers: what stands under the old ones is taken back first. */
  async #leaveOldPlacement(settings: Settings): Promise<void> {
    const standing = this.#standing
    if (standing === undefined) return
    if (settings.enabled && JSON.stringify(standing) === JSON.stringify(settings.placement)) return
    await this.#options.host.takeBack(standing)
    this.#standing = undefined
    this.#lastDesired = ''
    this.#memory = EMPTY_MEMORY
  }

  /** Touches the host when the desired state changed, when a whole look is due, or when the link is gone. */
  async #apply(
    desired: DesiredState,
    identity: Identity,
    settings: Settings,
    must: boolean,
  ): Promise<ApplyOutcome> {
    const { host, clock } = this.#options
    const { peers, routedV4, routedV6, ...rest } = desired
    const text = this.#desiredText.of([peers, routedV4, routedV6, JSON.stringify(rest)], () =>
      JSON.stringify(desired),
    )
    const isDue = this.#mustLook || clock.now() - this.#lastFullAt >= settings.timing.reconcileEvery
    if (text === this.#lastDesired && !isDue && !must) return { changes: 0, warnings: [] }
    this.#standing = settings.placement
    const wasInLine = text === this.#lastDesired
    // A failed attempt leaves something half done, which the next pass must look at.
    this.#lastDesired = ''
    this.#mustLook = false
    const startedAt = clock.now()
    const outcome = await host.apply(desired, identity, settings)
    this.counters.hostChanged(outcome.changes, wasInLine)
    this.#lastDesired = text
    this.#lastFullAt = startedAt
    return outcome
  }

  #nextLook(
    { timing }: Settings,
    isUnsettled: boolean,
    now: Instant,
    race: Milliseconds | undefined,
  ): Milliseconds {
    const isOnTrial = [...this.#memory.statuses.values()].some(({ state }) => state === 'unknown')
    return Math.min(
      timing.reconcileEvery,
      isUnsettled ? SETTLE_LOOK_AFTER : Infinity,
      isOnTrial ? TRIAL_LOOK_EVERY : Infinity,
      race ?? Infinity,
      Math.max(0, (nextDeadline(this.#memory.retained) ?? Infinity) - now),
    )
  }

  /** A warning is a line in the log when it appears, not in every pass that it stands. */
  #sayOnce(warnings: readonly string[]): void {
    for (const warning of warnings) if (!this.#said.has(warning)) this.#options.log.warn({}, warning)
    this.#said = new Set(warnings)
  }

  #noteReconcile(startedAt: Instant, changes: number, error: string | undefined): void {
    const { clock, log, onChange } = this.#options
    const durationMilliseconds = Math.round(clock.now() - startedAt)
    this.#hasChanged = changes > 0 || error !== undefined
    this.counters.passEnds(durationMilliseconds, error !== undefined)
    this.#memory = {
      ...this.#memory,
      lastReconcile: { at: clock.wall(), durationMilliseconds, changes, error },
    }
    if (changes > 0) log.info({ changes, durationMilliseconds }, 'host brought in line')
    onChange()
  }
}
