import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import { messageOf } from '../../shared/message-of.ts'
import type { Outcome } from '../../shared/reconcile/reconciler.ts'
import type { Settings } from '../model/settings.ts'
import { describeLocalClaims } from '../model/surroundings.ts'
import { type ForgetPlan, planForget } from '../plan/members/forget.ts'
import { nextDeadline, unconfirmed, unconfirmedIds } from '../plan/members/retain.ts'
import { planHarvest } from '../plan/paths/harvest.ts'
import { describeHolding } from '../plan/peers/arbitrate-overlaps.ts'
import { describeConflict } from '../plan/peers/peer-specs.ts'
import { ownAddresses } from '../plan/self/own-addresses.ts'
import { announceStates, type MeshLog } from './announce.ts'
import { MeshCounters } from './counters.ts'
import { FilterLog } from './filter-log.ts'
import { DesiredKeeper } from './host/desired-keeper.ts'
import { HostKeeper } from './host/host-keeper.ts'
import { LinkKeeper } from './host/link-keeper.ts'
import { CacheKeeper } from './members/cache-keeper.ts'
import { type DiscoveryPool, describeUnpublished } from './members/discovery-pool.ts'
import { Forgotten, type Listed } from './members/forgotten.ts'
import { GatherRecall, gatherPeers, silences } from './members/gather.ts'
import type { KubernetesTier } from './members/kubernetes-tier.ts'
import { describeOwn } from './members/own-affiliate.ts'
import type { MeshHost } from './mesh-host.ts'
import { Paths, type PathsOutcome } from './paths/paths.ts'
import type { Racer } from './paths/racer.ts'
import { trialLook } from './paths/step.ts'
import { EMPTY_MEMORY, type MeshMemory } from './view.ts'

export interface MeshControllerOptions {
  readonly host: MeshHost
  readonly pool: DiscoveryPool
  readonly kubernetes?: Pick<KubernetesTier, 'report' | 'follow' | 'publish' | 'redial'>
  /** Undefined where races cannot run: candidates are then tried by turns. */
  readonly racer: (settings: Settings) => Promise<Racer | undefined>
  readonly clock: Clock
  readonly log: MeshLog
  /** The memory has changed. */
  readonly onChange: () => void
}

/** A few passes in a row after changes, so that what a change causes (a new link address, a handshake) is seen at once. */
const SETTLE_LOOK_AFTER: Milliseconds = 100

interface Passed {
  readonly outcome: Outcome
  readonly changes: number
  /** What was changed causes more. */
  readonly isUnsettled: boolean
}

/** The pass of the daemon: observe → plan → diff → apply → remember. Everything it remembers is in `memory`. */
export class MeshController implements AsyncDisposable {
  readonly counters = new MeshCounters()
  readonly #options: MeshControllerOptions
  readonly #cache: CacheKeeper
  readonly #filters: FilterLog
  readonly #paths: Paths
  #settings: Settings
  #memory: MeshMemory = EMPTY_MEMORY
  readonly #hostKeeper: HostKeeper
  readonly #links: LinkKeeper
  /**
   * Something on the host may have changed. Taken back before a pass looks at anything: what happens while it looks is seen by
   * the next one.
   */
  #isSuspect = true
  /** In the last pass we changed something on the host that may have changed our links. */
  #isUnsettled = true
  #addresses: string | undefined
  #listeningSince: Instant | undefined
  readonly #gathered = new GatherRecall()
  readonly #planned: DesiredKeeper
  #said = new Set<string>()
  readonly #forgotten = new Forgotten()

  constructor(options: MeshControllerOptions, settings: Settings) {
    this.#options = options
    this.#settings = settings
    const { host, clock, racer, log } = options
    const warn = (problem: string): void => log.warn({}, problem)
    this.#paths = new Paths({ clock, racer, host, warn })
    this.#hostKeeper = new HostKeeper({ host, clock, counters: this.counters, warn })
    this.#links = new LinkKeeper(() => host.links(), clock)
    this.#planned = new DesiredKeeper(() => host.surroundings(this.#settings), clock, warn)
    this.#cache = new CacheKeeper(host.affiliates, clock, warn)
    this.#filters = new FilterLog(log)
  }

  get memory(): MeshMemory {
    return this.#memory
  }

  /** Takes effect in the next pass. */
  follow(settings: Settings): void {
    this.#settings = settings
    this.#isSuspect = true
  }

  /** Drops those called so who are not live in the next pass, and says what follows. */
  forget(called: string): ForgetPlan {
    const { retained, sources, statuses } = this.#memory
    const silent = silences(this.#memory)
    const plan = planForget({
      ...{ called, retained, sources },
      lives: new Map(
        Array.from(statuses, ([key, { state, lastReceiveAt }]) => [
          key,
          { state, silentSince: silent.get(key), heardAt: lastReceiveAt },
        ]),
      ),
      now: this.#options.clock.now(),
      liveWithin: this.#settings.timing.liveWithin,
    })
    for (const nodeId of plan.nodeIds) this.#forgotten.forget(nodeId, this.#listed)
    return plan
  }

  get #listed(): Listed {
    const { pool, kubernetes } = this.#options
    return { reports: pool.reports, kubernetes: kubernetes?.report }
  }

  /** The next pass compares the whole host, as something on it may have changed. */
  suspectDrift(): void {
    this.#isSuspect = true
  }

  /** Leaves no peer on a relay that nobody answers any more. Called when no pass runs. */
  async endRaces(racer: Racer): Promise<void> {
    const { standing } = this.#hostKeeper
    if (standing !== undefined && racer.onRelay.size > 0)
      await this.#options.host.setEndpoints(standing, racer.onRelay)
  }

  /** Takes everything back. Called when no pass runs any more. */
  async takeBack(): Promise<void> {
    await this.#hostKeeper.leave(this.#settings)
  }

  /** Leaves what we know to who comes after us. Called when no pass runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache.flush()
    await this.#paths.flush()
  }

  async pass(): Promise<Outcome> {
    const startedAt = this.#options.clock.now()
    this.counters.passBegins(startedAt)
    try {
      const isSuspect = this.#isSuspect
      this.#isSuspect = false
      const { outcome, changes, isUnsettled } = await this.#pass(this.#settings, isSuspect)
      this.#isUnsettled = isUnsettled
      this.#noteReconcile(startedAt, changes, undefined)
      return outcome
    } catch (error) {
      this.#isSuspect = true
      this.#noteReconcile(startedAt, 0, messageOf(error))
      throw error
    }
  }

  async #pass(settings: Settings, isSuspect: boolean): Promise<Passed> {
    const { host, pool, kubernetes, clock } = this.#options
    if (await this.#hostKeeper.leaveOld(settings)) this.#memory = EMPTY_MEMORY
    const { reconcileEvery } = settings.timing
    const links = await this.#links.links(isSuspect || this.#isUnsettled, reconcileEvery)
    const identity = await host.identity(settings, links)
    this.#followAddresses(ownAddresses(links, settings.placement.linkName))
    await pool.follow(settings, identity.nodeId)
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
      return { outcome: {}, changes: 0, isUnsettled: false }
    }

    const cached = await this.#cache.first(settings)
    if (cached !== undefined) this.#memory = { ...this.#memory, retained: unconfirmed(cached) }
    const view = await host.wireguard(settings)
    const now = clock.now()
    this.#listeningSince ??= now
    // Another one may be named before this pass ends.
    const forgotten = this.#forgotten.named
    const listed = this.#listed
    const { conflicts, isComplete, challenged, claims, ...gathered } = gatherPeers(
      {
        memory: this.#memory,
        ...listed,
        ignored: this.#forgotten.ignored(listed),
        listeningSince: this.#listeningSince,
        identity,
        settings,
        forgotten,
        now,
      },
      this.#gathered,
    )
    const { specs, holdings } = gathered
    const memory = this.#memory.statuses
    const step = await this.#paths.step({
      ...{ specs, memory, view, identity, links, settings, challenged, now },
    })
    const { statuses, endpoints, racePort, suspects } = step
    if (suspects.size > 0) pool.check()
    const harvested = settings.harvestExtraEndpoints
      ? planHarvest(specs, statuses, unconfirmedIds(gathered.retained))
      : []
    if (local !== undefined) {
      pool.publish(local.affiliate, harvested, specs)
      kubernetes?.publish(local.affiliate)
    }

    const isCutOff = pool.statuses.some(({ connected }) => !connected)
    const { desired, told } = await this.#planned.desire({
      ...{ settings, identity, specs, statuses, endpoints, claims },
      ...{ links, isComplete, racePort, isSuspect },
      goals: pool.goals,
      apiServers: kubernetes?.report?.apiServers ?? [],
      kubernetesPodCidrs: kubernetes?.report?.own?.podCidrs,
      addressesOf: (names) => host.addressesOf(names, isCutOff),
    })
    const warnings = [
      ...(local?.warnings ?? []),
      ...pool.statuses.filter(({ isUnpublished }) => isUnpublished).map(describeUnpublished),
      ...(kubernetes?.report?.problem === undefined ? [] : [`kubernetes: ${kubernetes.report.problem}`]),
      ...conflicts.map(describeConflict),
      ...[...holdings].map(([prefix, holding]) => describeHolding(prefix, holding)),
      ...describeLocalClaims(told),
    ]
    const { resets, kicks } = step
    const applied = await this.#hostKeeper.keep({
      ...{ desired, specs, endpoints, resets, kicks, view, identity, settings, isSuspect },
    })
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
      suspectSince: new Map(Array.from(suspects, (key) => [key, this.#memory.suspectSince.get(key) ?? now])),
      harvested,
      desired,
      keptLocal: told,
      warnings: [...warnings, ...applied.warnings],
    }
    this.#forgotten.done(forgotten)
    await this.#cache.keep(settings, gathered.retained)
    this.#sayOnce(this.#memory.warnings)
    const isUnsettled = applied.isUnsettled ?? applied.changes > 0
    return {
      outcome: { again: this.#nextLook(settings, isUnsettled, now, step) },
      changes: applied.changes,
      isUnsettled,
    }
  }

  /** Connections that were made from addresses which have changed may be dead without anybody having said so. */
  #followAddresses(addresses: string): void {
    const before = this.#addresses
    this.#addresses = addresses
    if (before === undefined || before === addresses) return
    this.#options.pool.redial()
    this.#options.kubernetes?.redial()
  }

  #nextLook(
    { timing }: Settings,
    isUnsettled: boolean,
    now: Instant,
    { again = Infinity, racePort, statuses }: PathsOutcome,
  ): Milliseconds {
    // Races say themselves when a look is worth its cost.
    const trial = racePort === undefined ? trialLook(statuses, now) : Infinity
    return Math.min(
      timing.reconcileEvery,
      isUnsettled ? SETTLE_LOOK_AFTER : Infinity,
      trial,
      again,
      this.#cache.patience,
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
    this.counters.passEnds(durationMilliseconds, error !== undefined)
    this.#memory = {
      ...this.#memory,
      lastReconcile: { at: clock.wall(), durationMilliseconds, changes, error },
    }
    if (changes > 0) log.info({ changes, durationMilliseconds }, 'host brought in line')
    onChange()
  }
}
