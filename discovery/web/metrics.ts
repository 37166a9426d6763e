import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import type { Milliseconds } from '../../shared/clock.ts'
import { type HttpAnswer, type HttpHandler, plainAnswer } from '../../shared/http.ts'
import { readMetric } from '../../shared/read-metric.ts'
import type { Counts } from '../state/clusters.ts'
import { CallMetrics } from './call-metrics.ts'

/** What is read when somebody asks for the metrics. */
export interface MetricSources {
  readonly counts: () => Counts
  readonly watchers: () => number
  readonly connections: () => number
  readonly lostConnections: () => number
  readonly ignoredHeaders: () => number
  /** Client addresses that the rate limit remembers. */
  readonly rateBuckets: () => number
  /** Whether the state can be taken for complete; see `isWarm`. */
  readonly isWarm: () => boolean
  /** Whether the store of the clusters can be reached. */
  readonly isStoreUp: () => boolean
}

/** A load or a save of the snapshot. */
export interface StorageRecord {
  readonly operation: 'load' | 'save'
  readonly counts: Counts
  readonly bytes: number
  readonly took: Milliseconds
  readonly error: Error | undefined
}

const OPERATIONS = ['load', 'save'] as const

/** All metrics of the service: those that dashboards know (SPEC 1.10), ours, and those of the process if wanted. */
export class Metrics {
  readonly calls = new CallMetrics()
  readonly #registry = new Registry()
  readonly #gcRuns = this.#counter('discovery_state_gc_runs_total', 'Passes that removed what had expired.')
  readonly #gcClusters = this.#counter(
    'discovery_state_gc_clusters_total',
    'Clusters removed by those passes.',
  )
  readonly #gcAffiliates = this.#counter(
    'discovery_state_gc_affiliates_total',
    'Affiliates removed by those passes.',
  )
  readonly #flushes = this.#counter(
    'discovery_watch_flushes_total',
    'Rounds of telling the watchers of a cluster.',
  )
  readonly #coalesced = this.#counter(
    'discovery_watch_messages_coalesced_total',
    'Messages that watchers did not need, because a later one told the same.',
  )
  readonly #aborted = this.#counter(
    'discovery_watch_aborted_total',
    'Watchers dropped because they took nothing for too long.',
  )
  readonly #storeLost = this.#counter('discovery_store_lost_total', 'How often the store was lost.')
  readonly #storeFailed = this.#counter(
    'discovery_store_failures_total',
    'What was asked of the store and not answered.',
  )
  readonly #storePutBack = this.#counter(
    'discovery_store_put_back_total',
    'Affiliates that the store had lost, and that were put back.',
  )
  readonly #operations: Counter<'operation' | 'status'>
  readonly #storage: Readonly<Record<keyof Counts | 'bytes' | 'seconds', Gauge<'operation'>>>

  constructor(sources: MetricSources, { version, ofProcess }: { version: string; ofProcess: boolean }) {
    for (const metric of [...this.calls.metrics, ...sourceMetrics(sources, version)])
      this.#registry.registerMetric(metric as unknown as Metric)
    this.#operations = new Counter({
      name: 'discovery_storage_operations_total',
      help: 'Loads and saves of the snapshot.',
      labelNames: ['operation', 'status'],
      registers: [this.#registry],
    })
    for (const operation of OPERATIONS)
      for (const status of ['success', 'error']) this.#operations.inc({ operation, status }, 0)
    this.#storage = {
      bytes: this.#storageGauge('last_snapshot_size_bytes', 'Size of the last snapshot.'),
      clusters: this.#storageGauge('last_operation_clusters', 'Clusters in the last snapshot.'),
      affiliates: this.#storageGauge('last_operation_affiliates', 'Affiliates in the last snapshot.'),
      endpoints: this.#storageGauge('last_operation_endpoints', 'Endpoints in the last snapshot.'),
      seconds: this.#storageGauge('last_operation_duration_seconds', 'How long the last operation took.'),
    }
    if (ofProcess) collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 20 })
  }

  /** One pass of the garbage collection. */
  swept({ clusters, affiliates }: Counts): void {
    this.#gcRuns.inc()
    this.#gcClusters.inc(clusters)
    this.#gcAffiliates.inc(affiliates)
  }

  /** Watchers of one cluster were told. */
  flushed(coalesced: number): void {
    this.#flushes.inc()
    this.#coalesced.inc(coalesced)
  }

  watcherAborted(): void {
    this.#aborted.inc()
  }

  storeLost(): void {
    this.#storeLost.inc()
  }

  storeFailed(): void {
    this.#storeFailed.inc()
  }

  storePutBack(affiliates: number): void {
    this.#storePutBack.inc(affiliates)
  }

  stored({ operation, counts, bytes, took, error }: StorageRecord): void {
    this.#operations.inc({ operation, status: error === undefined ? 'success' : 'error' })
    const { clusters, affiliates, endpoints } = counts
    const values = { clusters, affiliates, endpoints, bytes, seconds: took / 1000 }
    for (const [name, value] of Object.entries(values) as [keyof typeof values, number][])
      this.#storage[name].set({ operation }, value)
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] })
  }

  #storageGauge(name: string, help: string): Gauge<'operation'> {
    return new Gauge({
      name: `discovery_storage_${name}`,
      help,
      labelNames: ['operation'],
      registers: [this.#registry],
    })
  }
}

function sourceMetrics(sources: MetricSources, version: string) {
  const one = (type: 'counter' | 'gauge', name: string, help: string, value: () => number) =>
    readMetric(type, name, help, () => [{ labels: {}, value: value() }])
  const { counts, watchers, connections, lostConnections, ignoredHeaders, rateBuckets, isWarm, isStoreUp } =
    sources
  return [
    one('gauge', 'discovery_state_clusters', 'Clusters that are known.', () => counts().clusters),
    one('gauge', 'discovery_state_affiliates', 'Affiliates that are known.', () => counts().affiliates),
    one('gauge', 'discovery_state_endpoints', 'Endpoints that are known.', () => counts().endpoints),
    one('gauge', 'discovery_state_subscriptions', 'Watchers.', watchers),
    one('gauge', 'discovery_state_warm', '1 when the state can be taken for complete after a start.', () =>
      isWarm() ? 1 : 0,
    ),
    one('gauge', 'discovery_store_up', '1 when the store of the clusters can be reached.', () =>
      isStoreUp() ? 1 : 0,
    ),
    one('gauge', 'discovery_connections', 'Open connections of the main listener.', connections),
    one(
      'counter',
      'discovery_connections_lost_total',
      'Connections closed because a ping was not answered.',
      lostConnections,
    ),
    one(
      'counter',
      'discovery_forwarded_headers_ignored_total',
      'Forwarded addresses from peers that are no trusted proxies.',
      ignoredHeaders,
    ),
    one(
      'gauge',
      'discovery_rate_limit_addresses',
      'Client addresses that the rate limit remembers.',
      rateBuckets,
    ),
    readMetric('gauge', 'discovery_build_info', 'The version that runs.', () => [
      { labels: { version }, value: 1 },
    ]),
  ]
}

const readiness = (problem: string | undefined): HttpAnswer =>
  problem === undefined ? plainAnswer(200, 'ready') : plainAnswer(503, problem)

/** The page of metrics, and the two questions of those who supervise the process. */
export const metricsPages =
  (metrics: Metrics, problem: () => string | undefined): HttpHandler =>
  async ({ path }) => {
    switch (path) {
      case '/metrics':
        return {
          status: 200,
          headers: { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE },
          body: await metrics.text(),
        }
      case '/healthz':
        return plainAnswer(200, 'ok')
      case '/readyz':
        return readiness(problem())
      default:
        return plainAnswer(404, 'there is /metrics, /healthz and /readyz')
    }
  }
