import type { Clock } from '../shared/clock.ts'
import { type HttpHandler, plainAnswer } from '../shared/http.ts'
import { clusterTag, type Logger } from '../shared/log.ts'
import { PrefixSet } from '../shared/net/prefix-set.ts'
import { Reconciler } from '../shared/reconcile/reconciler.ts'
import type { Config } from './config.ts'
import { IpRate } from './limits/ip-rate.ts'
import { Clusters } from './state/clusters.ts'
import { SnapshotFile, type StorageOperation } from './storage/snapshot-file.ts'
import { Subscriptions } from './subscription/subscriptions.ts'
import {
  type ConnectionPeer,
  chooseClientAddress,
  IgnoredHeaders,
  judgePeer,
} from './transport/client-address.ts'
import { makeFrame } from './transport/frames.ts'
import { GrpcService } from './transport/grpc.ts'
import { Handlers } from './transport/handlers.ts'
import { Listener } from './transport/listener.ts'
import type { CallObserver, FinishedCall } from './transport/observe.ts'
import { STATUS, statusName } from './transport/status.ts'

export interface ServiceOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
}

/** The discovery service: builds its rooms, starts them in order, and ends them in reverse. */
export class Service implements AsyncDisposable {
  readonly #options: ServiceOptions
  readonly #subscriptions: Subscriptions
  readonly #clusters: Clusters
  readonly #snapshot: SnapshotFile | undefined
  readonly #listener: Listener
  readonly #background = new AsyncDisposableStack()

  private constructor(
    options: ServiceOptions,
    rooms: {
      readonly subscriptions: Subscriptions
      readonly clusters: Clusters
      readonly snapshot: SnapshotFile | undefined
      readonly listener: Listener
    },
  ) {
    this.#options = options
    this.#subscriptions = rooms.subscriptions
    this.#clusters = rooms.clusters
    this.#snapshot = rooms.snapshot
    this.#listener = rooms.listener
  }

  /** @throws when an address cannot be listened on or a certificate cannot be loaded. */
  static async start(options: ServiceOptions): Promise<Service> {
    const { config, clock, log } = options
    const subscriptions = new Subscriptions({
      clock,
      pacing: { interval: config.flushInterval, costFactor: 10, maxInterval: config.flushIntervalMax },
      makeFrame,
      stallLimit: config.watchStallTimeout,
      onFlush: () => {},
      onAbort: () => {},
    })
    const clusters = new Clusters(subscriptions)
    const snapshot = config.snapshotsEnabled
      ? new SnapshotFile({
          path: config.snapshotPath,
          interval: config.snapshotInterval,
          clusters,
          clock,
          onOperation: (operation) => logStorage(log, operation),
        })
      : undefined
    await snapshot?.load()
    const rate =
      config.rateLimit === 0
        ? undefined
        : new IpRate({
            perSecond: config.rateLimit,
            burst: config.rateBurst,
            queueMax: config.rateQueue,
            isIpv6ByNetwork: config.rateIpv6ByNetwork,
          })
    const grpc = new GrpcService({
      handlers: new Handlers({
        clusters,
        clock,
        admission: { cluster: () => undefined, newCluster: () => undefined },
        redirectEndpoint: config.redirectEndpoint,
        reportClientIp: config.reportClientIp,
      }),
      clusters,
      subscriptions,
      clock,
      rate,
      observer: callLog(options),
      addressOf: addressJudge(config, log),
    })
    const pages: HttpHandler = () => plainAnswer(404, 'not found')
    const listener = await Listener.listen({
      at: config.addr,
      certificate:
        config.certificatePath === '' && config.keyPath === ''
          ? undefined
          : { certPath: config.certificatePath, keyPath: config.keyPath },
      onCall: grpc.handle,
      pages,
      clock,
      reports: {
        certificateReloaded: () => log.info({}, 'certificate reloaded'),
        certificateKept: (error) =>
          log.warn({ err: String(error) }, 'certificate not reloaded, the old one stays'),
        failed: (error) => log.error({ err: String(error) }, 'listener failed'),
      },
      liveness: { idle: config.keepaliveIdle, answer: config.keepaliveTimeout },
      headTimeout: config.headerTimeout,
      certificatePoll: config.filePollInterval,
    })
    const service = new Service(options, { subscriptions, clusters, snapshot, listener })
    service.#startBackground(rate)
    return service
  }

  /** Where gRPC is served; 0 for a unix socket. */
  get port(): number {
    return this.#listener.port
  }

  #startBackground(rate: IpRate | undefined): void {
    const { config, clock, log } = this.#options
    const sweeper = new Reconciler(
      async () => {
        const now = clock.now()
        const gone = this.#clusters.sweep(now)
        this.#subscriptions.endStalled(now)
        rate?.sweep(now)
        if (gone.affiliates > 0) log.debug({ ...gone }, 'expired affiliates removed')
        return { again: config.gcInterval }
      },
      {
        clock,
        backoff: () => config.gcInterval,
        onFailure: (error) => log.error({ err: String(error) }, 'sweep failed'),
      },
    )
    this.#background.use(sweeper)
    sweeper.wake()
    if (this.#snapshot !== undefined) {
      this.#background.use(this.#snapshot)
      this.#snapshot.start()
    }
  }

  /**
   * SPEC 1.13, S18: watches end first and well, then the listener, then the state is saved.
   * @throws when it cannot be saved
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const { config } = this.#options
    this.#subscriptions.endAll()
    await this.#listener.close(config.shutdownTimeout)
    await this.#background.disposeAsync()
    await this.#snapshot?.save()
  }
}

function logStorage(log: Logger, { operation, counts, bytes, took, error, keptAt }: StorageOperation): void {
  const fields = { operation, ...counts, bytes, milliseconds: Math.round(took) }
  if (error === undefined) log.info(fields, 'snapshot')
  else log.warn({ ...fields, err: error.message, ...(keptAt !== undefined && { keptAt }) }, 'snapshot failed')
}

/** One line per call (SPEC 1.11); a cluster id, which is a capability, only as its tag unless asked for. */
function callLog({ config, log }: ServiceOptions): CallObserver {
  const nameOf = config.logClusterIds ? (id: string): string => id : clusterTag
  const line = (call: FinishedCall): void =>
    log.info(
      {
        method: call.method,
        duration: Math.round(call.duration * 1000) / 1000,
        code: statusName(call.code),
        ...(call.code !== STATUS.OK && { error: call.message }),
        'peer.address': call.address,
        cluster: call.clusterId === undefined ? undefined : nameOf(call.clusterId),
        affiliate_id: call.affiliateId,
        client_version: call.clientVersion,
      },
      'call',
    )
  return {
    started: () => {},
    messageReceived: () => {},
    messageSent: () => {},
    hello: () => {},
    finished: config.logCalls ? line : () => {},
  }
}

/** Which address a call has: its connection is judged once. */
function addressJudge(
  config: Config,
  log: Logger,
): ConstructorParameters<typeof GrpcService>[0]['addressOf'] {
  const proxies = PrefixSet.of(config.trustedProxies)
  const trust = { 'x-real-ip': config.trustXRealIp, 'x-forwarded-for': config.trustFirstXForwardedFor }
  const ignored = new IgnoredHeaders()
  const peers = new WeakMap<object, ConnectionPeer>()
  return (stream, headers, rawHeaders) => {
    const { session } = stream
    if (session === undefined) return undefined
    let peer = peers.get(session)
    if (peer === undefined) {
      peer = judgePeer(session.socket.remoteAddress, proxies)
      peers.set(session, peer)
    }
    const client = chooseClientAddress(peer, headers, rawHeaders, trust)
    const warning = ignored.note(client)
    if (warning !== undefined) log.warn({}, warning)
    return client.address
  }
}
