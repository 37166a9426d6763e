import type { Clock, Instant, Milliseconds } from '../shared/clock.ts'
import type { Logger, LogLevel } from '../shared/log.ts'
import { PrefixSet } from '../shared/net/prefix-set.ts'
import { Reconciler } from '../shared/reconcile/reconciler.ts'
import { ownVersion } from '../shared/version.ts'
import { within } from '../shared/waiting.ts'
import { CallLog } from './call-log.ts'
import { observeCalls } from './call-observer.ts'
import type { Config } from './config.ts'
import { Edges } from './edges.ts'
import { IpRate } from './limits/ip-rate.ts'
import { openRedisStore } from './open-store.ts'
import { Clusters } from './state/clusters.ts'
import { SnapshotFile, type StorageOperation } from './storage/snapshot-file.ts'
import type { RedisAddress } from './store/address.ts'
import { MemoryStore } from './store/memory-store.ts'
import type { RunningStore } from './store/store.ts'
import { FLUSH_PACING } from './subscription/flush.ts'
import { Subscriptions } from './subscription/subscriptions.ts'
import { makeFrame } from './transport/frames.ts'
import { GrpcService } from './transport/grpc.ts'
import { Handlers } from './transport/handlers.ts'
import { Listener, type ListenerOptions } from './transport/listener.ts'
import { Members } from './transport/members.ts'
import type { CallObserver } from './transport/observe.ts'
import { PeerJudge } from './transport/peer-judge.ts'
import { Metrics } from './web/metrics.ts'
import { isWarm } from './web/warmth.ts'

/** SPEC 1.12: a disk that hangs does not keep the process for ever. */
const SAVE_LIMIT_MS: Milliseconds = 10_000

export interface ServiceOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  /** Takes the lines of the calls' log, several at once. */
  readonly writeLines: (lines: string) => void
}

/** The discovery service: builds its rooms, starts them in order, and ends them in reverse. */
export class Service implements AsyncDisposable {
  readonly #config: Config
  readonly #clock: Clock
  readonly #log: Logger
  readonly #startedAt: Instant
  readonly #subscriptions: Subscriptions
  /** Those of this process; empty where they are kept elsewhere. */
  readonly #clusters: Clusters
  readonly #metrics: Metrics
  readonly #peers: PeerJudge
  readonly #rate: IpRate | undefined
  readonly #snapshot: SnapshotFile | undefined
  /** In the order of their start; they end in reverse. */
  readonly #background = new AsyncDisposableStack()
  #store: RunningStore
  #edges: Edges | undefined
  #listener: Listener | undefined
  #isRestored = false

  private constructor({ config, clock, log }: ServiceOptions) {
    this.#config = config
    this.#clock = clock
    this.#log = log
    this.#startedAt = clock.now()
    this.#subscriptions = new Subscriptions({
      clock,
      pacing: { ...FLUSH_PACING, interval: config.flushInterval, maxInterval: config.flushIntervalMax },
      makeFrame,
      affiliatesOf: (clusterId) => this.#store.held(clusterId),
      stallLimit: config.watchStallTimeout,
      onFlush: (_watchers, coalesced) => this.#metrics.flushed(coalesced),
      onAbort: () => this.#metrics.watcherAborted(),
    })
    this.#clusters = new Clusters(this.#subscriptions, {
      all: config.maxAffiliatesPerAddress,
      unproven: config.maxUnprovenPerAddress,
    })
    this.#store = new MemoryStore(this.#clusters, clock)
    this.#metrics = new Metrics(
      {
        counts: () => this.#store.counts,
        watchers: () => this.#subscriptions.watchers,
        connections: () => this.#listener?.connections ?? 0,
        lostConnections: () => this.#listener?.lostConnections ?? 0,
        ignoredHeaders: () => this.#peers.ignoredHeaders,
        rateBuckets: () => this.#rate?.buckets ?? 0,
        isWarm: () => isWarm({ at: this.#startedAt, isRestored: this.#isRestored }, clock.now()),
        isStoreUp: () => this.#store.isUp,
      },
      { version: ownVersion(), ofProcess: true },
    )
    this.#peers = new PeerJudge({
      trustedProxies: PrefixSet.of(config.trustedProxies),
      trust: { 'x-real-ip': config.trustXRealIp, 'x-forwarded-for': config.trustFirstXForwardedFor },
      onIgnored: (warning) => log.warn({}, warning),
    })
    this.#rate = makeRate(config)
    const isHere = config.store.kind === 'memory'
    this.#snapshot =
      isHere && config.snapshotsEnabled
        ? new SnapshotFile({
            path: config.snapshotPath,
            interval: config.snapshotInterval,
            clusters: this.#clusters,
            clock,
            onOperation: (operation) => this.#stored(operation),
          })
        : undefined
  }

  /** @throws when an address cannot be listened on, or a certificate or another file cannot be read. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = new Service(options)
    try {
      await service.#start(options)
      return service
    } catch (error) {
      await service.#background.disposeAsync()
      throw error
    }
  }

  /** Where gRPC is served; 0 for a unix socket. */
  get port(): number {
    return this.#listener?.port ?? 0
  }

  async #start({ writeLines }: ServiceOptions): Promise<void> {
    const config = this.#config
    if (config.store.kind === 'redis') await this.#openRedis(config.store)
    const loaded = await this.#snapshot?.load()
    this.#isRestored = config.store.kind !== 'memory' || (loaded !== undefined && loaded.error === undefined)
    const clock = this.#clock
    const calls = this.#observer('info', writeLines)
    const edges = this.#background.use(
      await Edges.open({
        config,
        clock,
        log: this.#log,
        store: this.#store,
        metrics: this.#metrics,
        healthRate: makeRate(config),
        healthObserver: this.#observer('debug', writeLines),
        endWatches: (isServed) => this.#subscriptions.keepOnly(isServed),
      }),
    )
    this.#edges = edges
    const grpc = this.#makeGrpc(edges, calls)
    this.#listener = this.#background.use(await Listener.listen(this.#listenerOptions(grpc, edges)))
    this.#startSweeping(edges)
    if (this.#snapshot !== undefined) this.#background.use(this.#snapshot).start()
    edges.ready()
  }

  /** What others hold as well needs no time to become complete. */
  async #openRedis(address: RedisAddress): Promise<void> {
    this.#store = this.#background.use(
      await openRedisStore({
        config: this.#config,
        address,
        clock: this.#clock,
        log: this.#log,
        metrics: this.#metrics,
        subscriptions: this.#subscriptions,
      }),
    )
  }

  /** Counts calls, and logs them at this level if that is wanted. */
  #observer(level: LogLevel, write: (lines: string) => void): CallObserver {
    const { logCalls, logClusterIds: showsIds } = this.#config
    const log =
      logCalls && this.#log.isLevelEnabled(level)
        ? this.#background.use(new CallLog({ clock: this.#clock, level, write, showsIds }))
        : undefined
    return observeCalls(this.#metrics.calls, log)
  }

  #makeGrpc(edges: Edges, observer: CallObserver): GrpcService {
    const { redirectEndpoint, reportClientIp } = this.#config
    const store = this.#store
    const certified =
      certificateOf(this.#config) && ((host: string) => this.#listener?.isCertifiedFor(host) === true)
    return new GrpcService({
      handlers: new Handlers({
        store,
        admission: edges.admission,
        redirectEndpoint,
        reportClientIp,
      }),
      members: new Members({
        wall: () => this.#clock.wall(),
        names: () => ({ given: this.#config.authority, certified }),
        isOfProxy: this.#peers.isOfProxy,
        listedKey: (clusterId) => edges.admission.keyOf(clusterId),
        keyOf: (clusterId) => store.keyOf(clusterId),
      }),
      store,
      subscriptions: this.#subscriptions,
      clock: this.#clock,
      rate: this.#rate,
      observer,
      addressOf: this.#peers.addressOf,
      other: edges.health.handle,
    })
  }

  #listenerOptions(grpc: GrpcService, edges: Edges): ListenerOptions {
    const config = this.#config
    const log = this.#log
    return {
      at: config.addr,
      certificate: certificateOf(config),
      onCall: grpc.handle,
      pages: edges.pages,
      clock: this.#clock,
      reports: {
        certificateReloaded: () => log.info({}, 'certificate reloaded'),
        certificateKept: (error) =>
          log.warn({ err: String(error) }, 'certificate not reloaded, the old one stays'),
        failed: (error) => log.error({ err: String(error) }, 'listener failed'),
      },
      liveness: { idle: config.keepaliveIdle, answer: config.keepaliveTimeout },
      headTimeout: config.headerTimeout,
      certificatePoll: config.filePollInterval,
    }
  }

  #startSweeping(edges: Edges): void {
    const { gcInterval } = this.#config
    const sweeper = new Reconciler(
      async () => {
        const now = this.#clock.now()
        const gone = await this.#store.sweep()
        this.#metrics.swept(gone)
        this.#rate?.sweep(now)
        edges.sweep(now)
        if (gone.affiliates > 0) this.#log.debug({ ...gone }, 'expired affiliates removed')
        return { again: gcInterval }
      },
      {
        clock: this.#clock,
        backoff: () => gcInterval,
        onFailure: (error) => this.#log.error({ err: String(error) }, 'sweep failed'),
      },
    )
    this.#background.use(sweeper)
    sweeper.wake()
  }

  #stored(done: StorageOperation): void {
    const { operation, counts, bytes, took, error, keptAt } = done
    this.#metrics.stored(done)
    const fields = { operation, ...counts, bytes, milliseconds: Math.round(took) }
    if (error === undefined) this.#log.info(fields, 'snapshot')
    else
      this.#log.warn(
        { ...fields, err: error.message, ...(keptAt !== undefined && { keptAt }) },
        'snapshot failed',
      )
  }

  /**
   * SPEC 1.13, S18: watches end first and well, then the listeners, then the state is saved.
   * @throws when it cannot be saved, or is not in time
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#edges?.end()
    this.#subscriptions.endAll()
    await this.#listener?.close(this.#config.shutdownTimeout)
    await within(this.#clock, SAVE_LIMIT_MS, new AbortController().signal, 'saving the state', async () => {
      await this.#background.disposeAsync()
      await this.#snapshot?.save()
    })
  }
}

/** SPEC 1.7; undefined for no limit. */
const makeRate = ({ rateLimit, rateBurst, rateQueue, rateIpv6ByNetwork }: Config): IpRate | undefined =>
  rateLimit === 0
    ? undefined
    : new IpRate({
        perSecond: rateLimit,
        burst: rateBurst,
        queueMax: rateQueue,
        isIpv6ByNetwork: rateIpv6ByNetwork,
      })

/** Either path turns TLS on; then both files must be there (SPEC 1.8). @throws when only one is named. */
export const certificateOf = ({
  certificatePath: certPath,
  keyPath,
}: Pick<Config, 'certificatePath' | 'keyPath'>): ListenerOptions['certificate'] => {
  if (certPath === '' && keyPath === '') return undefined
  if (certPath === '') throw new Error('-certificate-path: is needed with -key-path')
  if (keyPath === '') throw new Error('-key-path: is needed with -certificate-path')
  return { certPath, keyPath }
}
