import type { Clock, Instant } from '../shared/clock.ts'
import { type HttpHandler, HttpListener } from '../shared/http.ts'
import type { Logger } from '../shared/log.ts'
import { formatListenAddress, type ListenAddress } from '../shared/net/listen-address.ts'
import { WatchedFiles } from '../shared/watched-files.ts'
import { makeAdminApi } from './admin/api.ts'
import { parseToken } from './admin/token.ts'
import type { Config } from './config.ts'
import { ClusterAdmission } from './limits/admission.ts'
import { AllowedClusters } from './limits/allowed-clusters.ts'
import type { IpRate } from './limits/ip-rate.ts'
import { chooseBounds, MemoryGuard, observeBounds } from './memory-guard.ts'
import { clusterHash } from './store/cluster-hash.ts'
import type { RunningStore } from './store/store.ts'
import { HealthService } from './transport/health.ts'
import type { HealthObserver } from './transport/health-call.ts'
import { type Metrics, metricsPages } from './web/metrics.ts'
import { makePages } from './web/pages.ts'

export interface EdgesOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  readonly store: RunningStore
  readonly metrics: Metrics
  /** Of those who ask for the health. */
  readonly healthRate: IpRate | undefined
  readonly healthObserver: HealthObserver
  /** Ends the watches of clusters that are served no more; says how many those were. */
  readonly endWatches: (isServed: (clusterId: string) => boolean) => number
}

/** What stands around the calls: who may come in, and the listeners for people and supervisors. */
export class Edges implements AsyncDisposable {
  readonly admission: ClusterAdmission
  readonly pages: HttpHandler
  readonly health: HealthService
  readonly #options: EdgesOptions
  readonly #open = new AsyncDisposableStack()
  #isReady = false

  private constructor(options: EdgesOptions) {
    const { config, clock, store, healthRate, healthObserver } = options
    this.#options = options
    this.health = new HealthService({ clock, rate: healthRate, observer: healthObserver })
    const memory = this.#open.use(new MemoryGuard(chooseBounds(config.memoryLimit, observeBounds()), clock))
    memory.start()
    this.admission = new ClusterAdmission({
      maxClustersPerAddress: config.maxClustersPerAddress,
      claims: store,
      isMemoryShort: () => memory.isShort,
    })
    const isServed = (clusterId: string): boolean => this.admission.cluster(clusterId) === undefined
    this.pages = makePages({ store, clock, isServed, statsInterval: config.statsInterval })
  }

  /** @throws when a file cannot be read, or an address cannot be listened on. */
  static async open(options: EdgesOptions): Promise<Edges> {
    const edges = new Edges(options)
    const { config, metrics } = options
    try {
      await edges.#readAllowedClusters()
      await edges.#listen(
        config.metricsAddr,
        metricsPages(metrics, () => edges.#problem),
      )
      await edges.#listen(config.landingAddr, edges.pages)
      await edges.#listenForAdmin()
      return edges
    } catch (error) {
      await edges[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Why calls are not served, or not all of them. */
  get #problem(): string | undefined {
    if (!this.#isReady) return 'not ready'
    return this.#options.store.isUp ? undefined : 'not ready: the store cannot be reached'
  }

  /** Calls are served from now on. */
  ready(): void {
    this.#isReady = true
  }

  /** Calls are served no more: whoever asks is told so, and those who watch the health are sent away. */
  end(): void {
    this.#isReady = false
    this.health.end()
  }

  /** Forgets what is of no use any more; to be called now and then. */
  sweep(now: Instant): void {
    this.health.sweep(now)
  }

  /** Closes the listeners. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync()
  }

  async #listen(at: ListenAddress | null, handler: HttpHandler): Promise<void> {
    if (at === null) return
    const { log } = this.#options
    const failed = (error: unknown): void => log.error({ err: String(error) }, 'page failed')
    const listener = this.#open.use(await HttpListener.listen(at, handler, failed))
    log.debug({ address: formatListenAddress(at), port: listener.port }, 'listening')
  }

  async #listenForAdmin(): Promise<void> {
    const { config, store, log } = this.#options
    if (config.adminAddr === null) return
    const token =
      config.adminTokenFile === ''
        ? undefined
        : await this.#watchFile(config.adminTokenFile, parseToken, () => {})
    const api = makeAdminApi({
      store,
      token: token && (() => token.value),
      onForget: ({ cluster, affiliates, affiliateId }) =>
        log.warn({ cluster, affiliates, affiliate_id: affiliateId }, 'forgotten by an operator'),
    })
    await this.#listen(config.adminAddr, api)
  }

  async #readAllowedClusters(): Promise<void> {
    const { config, log, endWatches } = this.#options
    if (config.allowedClusters === '') return
    let before: AllowedClusters | undefined
    const parse = ([content]: readonly Buffer[]): AllowedClusters =>
      new AllowedClusters(String(content), clusterHash)
    const allow = (allowed: AllowedClusters): void => {
      this.admission.allowOnly(allowed)
      const watchesEnded = endWatches((clusterId) => maySee(allowed, before, clusterId))
      before = allowed
      log.info({ clusters: allowed.size, watchesEnded }, 'allowed clusters read')
    }
    allow((await this.#watchFile(config.allowedClusters, parse, allow)).value)
  }

  async #watchFile<T>(
    path: string,
    parse: (contents: readonly Buffer[]) => T,
    onChange: (value: T) => void,
  ): Promise<WatchedFiles<T>> {
    const { config, clock, log } = this.#options
    const onFailure = (error: unknown): void => log.warn({ path, err: String(error) }, 'file not reread')
    const poll = config.filePollInterval
    return this.#open.use(await WatchedFiles.open({ paths: [path], parse, onChange, onFailure, clock, poll }))
  }
}

/**
 * Whether those who watch the cluster may go on. Who of them is a member was not asked before its members had it for themselves:
 * then all begin anew.
 */
function maySee(allowed: AllowedClusters, before: AllowedClusters | undefined, clusterId: string): boolean {
  const now = allowed.find(clusterId)
  if (now === undefined) return false
  const was = before?.find(clusterId)
  return !now.isMembersOnly || (was?.isMembersOnly === true && was.key === now.key)
}
