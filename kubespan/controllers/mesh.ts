import type { Clock, Instant } from '../../shared/clock.ts'
import { Last } from '../../shared/last.ts'
import { messageOf } from '../../shared/message-of.ts'
import type { Outcome } from '../../shared/reconcile/reconciler.ts'
import type { Settings } from '../model/settings.ts'
import type { ForgetPlan } from '../plan/members/forget.ts'
import { unconfirmed, unconfirmedIds } from '../plan/members/retain.ts'
import { planHarvest } from '../plan/paths/harvest.ts'
import { type NamedSettings, nameNode } from '../plan/self/name-node.ts'
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
import { GatherRecall, gatherPeers } from './members/gather.ts'
import { IdentityKeeper } from './members/identity-keeper.ts'
import type { KubernetesTier } from './members/kubernetes-tier.ts'
import { followSuspects, silences } from './members/lives.ts'
import { describeOwn } from './members/own-affiliate.ts'
import type { MeshHost } from './mesh-host.ts'
import { nextLook } from './next-look.ts'
import { Paths } from './paths/paths.ts'
import type { Racer } from './paths/racer.ts'
import { EMPTY_MEMORY, type MeshMemory } from './view.ts'
import { WarningLog, warningsOf } from './warnings.ts'

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
  readonly #named = new Last<NamedSettings>()
  readonly #gathered = new GatherRecall()
  readonly #planned: DesiredKeeper
  readonly #warnings: WarningLog
  readonly #forgotten = new Forgotten()
  readonly #identities: IdentityKeeper

  constructor(options: MeshControllerOptions, settings: Settings) {
    this.#options = options
    this.#settings = settings
    const { host, clock, racer, log } = options
    const warn = (problem: string): void => log.warn({}, problem)
    this.#paths = new Paths({ clock, racer, host, warn })
    this.#hostKeeper = new HostKeeper({ host, clock, counters: this.counters, warn })
    this.#links = new LinkKeeper(() => host.links(), clock)
    this.#planned = new DesiredKeeper((mustAsk) => host.surroundings(this.#settings, mustAsk), clock, warn)
    this.#cache = new CacheKeeper(host.affiliates, clock, warn)
    this.#filters = new FilterLog(log)
    this.#warnings = new WarningLog(log)
    this.#identities = new IdentityKeeper({ host, clock, log, renew: () => options.pool.renew() })
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
    const { liveWithin } = this.#settings.timing
    return this.#forgotten.plan(called, this.#memory, this.#listed, this.#options.clock.now(), liveWithin)
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

  async #pass(configured: Settings, isSuspect: boolean): Promise<Passed> {
    const { host, pool, kubernetes, clock } = this.#options
    if (await this.#hostKeeper.leaveOld(configured)) this.#memory = EMPTY_MEMORY
    const links = await this.#links.links(isSuspect || this.#isUnsettled, configured)
    const identity = await host.identity(configured, links)
    const hostName = host.hostName?.()
    const named = this.#named.of([configured, hostName, identity.nodeId], () =>
      nameNode(configured, hostName, identity.nodeId),
    )
    const { settings } = named
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
      this.#memory = {
        ...EMPTY_MEMORY,
        identity,
        local: local?.affiliate,
        self: local?.report,
        warnings: [...named.warnings, ...(local?.warnings ?? [])],
      }
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
    const { conflicts, isComplete, challenged, claims, unsettled, ...gathered } = gatherPeers(
      {
        memory: this.#memory,
        ...listed,
        ignored: this.#forgotten.ignored(listed),
        listeningSince: this.#listeningSince,
        ...{ identity, links },
        settings,
        forgotten,
        now,
        cachedUntil: this.#cache.heldUntil,
      },
      this.#gathered,
    )
    const { specs, holdings, held } = gathered
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
    const { desired, told, passing } = await this.#planned.desire({
      ...{ settings, identity, specs, statuses, endpoints, claims, held },
      ...{ links, isComplete, racePort, isSuspect },
      ...{ goals: pool.goals, kubernetes: kubernetes?.report },
      kubernetesPodCidrs: kubernetes?.report?.own?.podCidrs,
      addressesOf: (names) => host.addressesOf(names, isCutOff),
    })
    const suspectSince = followSuspects(this.#memory.suspectSince, suspects, now)
    const identities = await this.#identities.look({
      ...{ settings, identity, listed, isComplete, double: pool.double, refusals: conflicts },
      gathered: { ...gathered, statuses },
      silent: silences({ statuses, suspectSince }),
    })
    const warnings = warningsOf({
      ...{ conflicts, holdings, unsettled, identityConflicts: identities.conflicts },
      local: [...named.warnings, ...(local?.warnings ?? [])],
      ...{ localClaims: told, passing },
      unvouched: {
        ...{ retained: gathered.retained, isComplete },
        stateOf: (publicKey) => statuses.get(publicKey)?.state,
      },
      unpublished: pool.statuses.filter(({ isUnpublished }) => isUnpublished).map(describeUnpublished),
      kubernetes: kubernetes?.report,
    })
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
      self: local?.report,
      ...gathered,
      statuses,
      suspectSince,
      identityConflicts: identities.conflicts,
      harvested,
      desired,
      keptLocal: told,
      detours: this.#hostKeeper.detours,
      warnings: [...warnings, ...applied.warnings],
    }
    this.#forgotten.done(forgotten)
    await this.#cache.keep(settings, gathered.retained)
    this.#warnings.tell(this.#memory.warnings)
    const isUnsettled = applied.isUnsettled ?? applied.changes > 0
    const again = nextLook({
      ...{ timing: settings.timing, isUnsettled, step, retained: gathered.retained, now },
      waits: [this.#cache.patience, identities.again],
    })
    return {
      outcome: { again },
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
