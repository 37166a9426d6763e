import type { Milliseconds } from '../shared/clock.ts'
import { createLogger, type Logger, type LogLevel } from '../shared/log.ts'
import { messageOf } from '../shared/message-of.ts'
import type { Address } from '../shared/net/address.ts'
import { backoffDelay } from '../shared/reconcile/backoff.ts'
import { Reconciler } from '../shared/reconcile/reconciler.ts'
import { ownVersion } from '../shared/version.ts'
import { loadConfig } from './config/load.ts'
import type { Resolved } from './config/resolve.ts'
import {
  AlreadyRunningError,
  type DaemonControl,
  type ForgetAnswer,
  type ResetAnswer,
  serveControl,
} from './control/server.ts'
import type { DiscoveryPool } from './controllers/members/discovery-pool.ts'
import {
  type KubernetesTier,
  STILL_ANNOTATED,
  systemKubernetesTier,
} from './controllers/members/kubernetes-tier.ts'
import { MeshController } from './controllers/mesh.ts'
import { describeCandidates } from './controllers/paths/candidates.ts'
import { RacerKeeper } from './controllers/paths/racer-keeper.ts'
import { describeDaemon, summarizeDaemon } from './controllers/view.ts'
import type { DaemonOptions, Inspector } from './daemon-options.ts'
import { openRaceSockets } from './host/race-sockets.ts'
import type { RawAffiliate } from './model/affiliate.ts'
import type { CandidateView, ConfigView, DaemonSummary, DaemonView } from './model/daemon-view.ts'
import type { FateReport } from './model/fate.ts'
import type { HostView } from './model/host-view.ts'
import type { SelfReport } from './model/own-address.ts'
import { type Settings, socketPath } from './model/settings.ts'
import { setIdentityAside } from './sources/identity-file.ts'
import { systemPool } from './system-pool.ts'

export { AlreadyRunningError }

/** A pass that fails is tried again soon: until then the host may be in a state that nobody wants. */
const PASS_BACKOFF = { initial: 500, factor: 2, cap: 30_000, spread: 0.2 }
/** A question is answered by then, with what was known before if the pass takes longer. */
const REFRESH_LIMIT_MS = 1000
/** How long the services are given to confirm that we left. */
const LEAVE_LIMIT_MS = 10_000

/** Ties sources, passes and the control socket together. Disposal leaves everything on the host as it is. */
export class Daemon implements AsyncDisposable, DaemonControl {
  readonly #options: DaemonOptions
  readonly #stack = new AsyncDisposableStack()
  readonly #startedAt: number
  readonly #listeners = new Set<() => void>()
  readonly #pool: DiscoveryPool
  readonly #kubernetes: KubernetesTier
  readonly #mesh: MeshController
  readonly #inspector: Inspector
  readonly #racers: RacerKeeper
  readonly #loop: Reconciler
  readonly #ended = Promise.withResolvers<void>()
  #loaded: Resolved
  #config: ConfigView = { problem: undefined, refusals: 0 }
  #hasLeft = false

  private constructor(options: DaemonOptions) {
    const { clock, log, loaded } = options
    this.#options = options
    this.#loaded = loaded
    this.#startedAt = clock.wall()
    const wake = (): void => this.#loop.wake()
    this.#pool = systemPool({ clock, log, onChange: wake })
    this.#kubernetes = systemKubernetesTier({ clock, log, onChange: wake })
    const { mesh, inspector, monitors } = options.host(
      () => this.#loaded.settings,
      () => {
        this.#mesh.suspectDrift()
        wake()
      },
      () => this.#mesh.memory.links,
    )
    this.#inspector = inspector
    this.#racers = new RacerKeeper({
      clock,
      log,
      open: openRaceSockets,
      release: (racer) => this.#mesh.endRaces(racer),
    })
    this.#mesh = new MeshController(
      {
        host: mesh,
        pool: this.#pool,
        kubernetes: this.#kubernetes,
        racer: ({ racing, placement }) => this.#racers.of(racing, placement.listenPort),
        clock,
        log,
        onChange: () => this.#tell(),
      },
      loaded.settings,
    )
    this.#loop = new Reconciler(() => this.#mesh.pass(), {
      clock,
      backoff: (failures) => backoffDelay(PASS_BACKOFF, failures, Math.random()),
      onFailure: (error, failures) => log.error({ err: String(error), failures }, 'pass failed'),
    })
    // Disposed of in reverse: nothing wakes a loop that has ended, and no loop uses a pool that has.
    this.#stack.use(this.#pool)
    this.#stack.use(this.#kubernetes)
    this.#stack.use(this.#racers)
    this.#stack.use(this.#mesh)
    this.#stack.use(this.#loop)
    this.#stack.use(monitors)
  }

  /** Throws AlreadyRunningError when another daemon has the socket. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(options)
    const { settings, warnings } = options.loaded
    try {
      daemon.#stack.use(await serveControl(socketPath(settings), daemon))
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
    for (const warning of warnings) options.log.warn({}, warning)
    daemon.#loop.wake()
    return daemon
  }

  /** Resolves when a command has told the daemon to end. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  view(): DaemonView {
    const memory = this.#mesh.memory
    const own = [
      ...this.#loaded.warnings,
      ...(this.#config.problem === undefined ? [] : [this.#config.problem]),
    ]
    return describeDaemon({
      memory: { ...memory, warnings: [...own, ...memory.warnings] },
      settings: this.#loaded.settings,
      services: this.#pool.statuses,
      kubernetes: this.#kubernetes.report,
      version: ownVersion(),
      pid: process.pid,
      startedAt: this.#startedAt,
      hasLeft: this.#hasLeft,
      counters: this.#mesh.counters.view,
      config: this.#config,
      clock: this.#options.clock,
    })
  }

  get summary(): DaemonSummary {
    const { memory } = this.#mesh
    return summarizeDaemon({ memory, settings: this.settings, services: this.#pool.statuses })
  }

  /** As they are in effect: another value after every change of the configuration. */
  get settings(): Settings {
    return this.#loaded.settings
  }

  /** Whether the first pass has ended, well or not. */
  get hasPassed(): boolean {
    return this.#mesh.memory.lastReconcile !== undefined
  }

  /** For how long a pass has been running without an end; 0 between passes. */
  get busyFor(): Milliseconds {
    const { runningSince } = this.#mesh.counters
    return runningSince === undefined ? 0 : this.#options.clock.now() - runningSince
  }

  get rawAffiliates(): readonly RawAffiliate[] {
    return this.#mesh.memory.raw
  }

  get self(): SelfReport | undefined {
    return this.#mesh.memory.self
  }

  host(): Promise<HostView> {
    return this.#inspector.host(this.#loaded.settings.placement)
  }

  fates(addresses: readonly Address[]): Promise<FateReport> {
    return this.#inspector.fates(this.#loaded.settings.placement, addresses)
  }

  async refresh(): Promise<void> {
    const looked = Promise.withResolvers<void>()
    using _told = this.subscribe(looked.resolve)
    using _limit = this.#options.clock.after(REFRESH_LIMIT_MS, looked.resolve)
    this.#loop.wake()
    await looked.promise
  }

  candidates(publicKey: string): readonly CandidateView[] {
    const { specs, statuses, links, identity } = this.#mesh.memory
    const spec = specs.find((candidate) => candidate.publicKey === publicKey)
    if (spec === undefined || identity === undefined) return []
    const { settings } = this.#loaded
    return describeCandidates(spec, statuses.get(publicKey), { links, meshSubnet: identity.subnet, settings })
  }

  subscribe(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  async leave(): Promise<void> {
    this.#hasLeft = true
    const [silent, isOffTheNode] = await Promise.all([
      this.#pool.leave(LEAVE_LIMIT_MS),
      this.#kubernetes.leave(LEAVE_LIMIT_MS),
    ])
    this.#options.log.info({ silent, isOffTheNode }, 'left the cluster')
    this.#tell()
    const problems = [
      ...(silent.length === 0
        ? []
        : [`no confirmation from ${silent.join(', ')}: the record there ends by its TTL`]),
      ...(isOffTheNode ? [] : [STILL_ANNOTATED]),
    ]
    if (problems.length > 0) throw new Error(problems.join('; '))
  }

  async down(): Promise<void> {
    const left = await this.#leaveAndStop()
    await this.#mesh.takeBack()
    this.#options.log.info({}, 'everything is taken back')
    this.#ended.resolve()
    if (left !== undefined) throw left
  }

  async resetIdentity(): Promise<ResetAnswer> {
    const left = await this.#leaveAndStop()
    const backup = await setIdentityAside(this.settings.node.stateDirectory, this.#options.clock.wall())
    this.#options.log.info({ backup }, 'the identity of this node is set aside')
    this.#ended.resolve()
    return { backup, problem: left?.message }
  }

  /** No pass runs any more. Resolves to what went wrong with leaving. */
  async #leaveAndStop(): Promise<Error | undefined> {
    const left = await this.leave().then(
      () => undefined,
      (error: Error) => error,
    )
    await this.#loop[Symbol.asyncDispose]()
    return left
  }

  forget(called: string): ForgetAnswer {
    const { nodeIds, says } = this.#mesh.forget(called)
    if (nodeIds.length > 0) this.#loop.wake()
    return { isDone: nodeIds.length > 0, says }
  }

  /** A bad new file keeps the old state and says why. */
  async reload(): Promise<string | undefined> {
    const { configFile, log } = this.#options
    try {
      const loaded = await loadConfig(configFile)
      if (loaded.settings.node.runDirectory !== this.#loaded.settings.node.runDirectory)
        throw new Error('the run directory cannot change while the daemon runs: restart it')
      this.#config = { ...this.#config, problem: undefined }
      this.#loaded = loaded
      this.#mesh.follow(loaded.settings)
      this.#loop.wake()
      log.info({ file: configFile }, 'configuration read')
      return undefined
    } catch (error) {
      const problem = messageOf(error)
      this.#config = {
        problem: `the configuration is not in effect: ${problem}`,
        refusals: this.#config.refusals + 1,
      }
      log.warn({ file: configFile, problem }, 'configuration refused, the old one stays')
      this.#tell()
      return problem
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

export const daemonLogger = (level: string): Logger => createLogger(level as LogLevel)
