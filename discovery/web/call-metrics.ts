import type { Milliseconds } from '../../shared/clock.ts'
import { type MetricValue, type ReadMetric, readMetric } from '../../shared/read-metric.ts'
import { ClientVersionSeries, UNKNOWN_VERSION } from './client-version.ts'

const CLUSTER = 'sidero.discovery.server.Cluster'
const HEALTH = 'grpc.health.v1.Health'

/** What is counted, and the labels that dashboards know it by. */
const METHODS = {
  Hello: labelsOf('unary', CLUSTER, 'Hello'),
  AffiliateUpdate: labelsOf('unary', CLUSTER, 'AffiliateUpdate'),
  AffiliateDelete: labelsOf('unary', CLUSTER, 'AffiliateDelete'),
  List: labelsOf('unary', CLUSTER, 'List'),
  Watch: labelsOf('server_stream', CLUSTER, 'Watch'),
  'Health/Check': labelsOf('unary', HEALTH, 'Check'),
  'Health/Watch': labelsOf('server_stream', HEALTH, 'Watch'),
} as const
type Method = keyof typeof METHODS
const METHOD_NAMES = Object.keys(METHODS) as Method[]

function labelsOf(type: 'unary' | 'server_stream', service: string, method: string): Record<string, string> {
  return { grpc_type: type, grpc_service: service, grpc_method: method }
}

/** All codes of gRPC by number, in the spelling of dashboards (SPEC 1.10). */
const CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const

const BUCKETS_SECONDS = [0.01, 0.1, 0.25, 0.5, 1, 2.5] as const

/** Why calls were not served, as far as code and text tell. */
const REASONS = [
  'invalid',
  'full',
  'throttled',
  'crowded',
  'forbidden',
  'lost_update',
  'deadline',
  'other',
] as const
type Reason = (typeof REASONS)[number]

interface MethodCounts {
  started: number
  received: number
  sent: number
  readonly handled: number[]
  /** Calls that took no longer than the bucket and longer than the one before; the last one is for all others. */
  readonly took: number[]
  secondsSum: number
}

/** A call that has ended. */
export interface EndedCall {
  readonly method: Method
  readonly code: number
  readonly message: string
  readonly duration: Milliseconds
  readonly throttled: Milliseconds
}

/**
 * Counts calls. It stands on the path of every call, so it counts in plain numbers, and makes names and labels of them
 * only for those who read the metrics.
 */
export class CallMetrics {
  readonly #methods: Readonly<Record<Method, MethodCounts>>
  readonly #hellos = new Map([[UNKNOWN_VERSION, 0]])
  readonly #versions = new ClientVersionSeries()
  readonly #rejected = new Map<Reason, number>(REASONS.map((reason) => [reason, 0]))
  #sentBytes = 0

  constructor() {
    const counts = (): MethodCounts => ({
      started: 0,
      received: 0,
      sent: 0,
      handled: CODES.map(() => 0),
      took: Array.from({ length: BUCKETS_SECONDS.length + 1 }, () => 0),
      secondsSum: 0,
    })
    this.#methods = Object.fromEntries(METHOD_NAMES.map((method) => [method, counts()])) as Record<
      Method,
      MethodCounts
    >
  }

  started(method: Method): void {
    this.#methods[method].started += 1
  }

  messageReceived(method: Method): void {
    this.#methods[method].received += 1
  }

  messageSent(method: Method, bytes: number): void {
    this.#methods[method].sent += 1
    this.#sentBytes += bytes
  }

  hello(clientVersion: string): void {
    const label = this.#versions.labelOf(clientVersion)
    this.#hellos.set(label, (this.#hellos.get(label) ?? 0) + 1)
  }

  finished({ method, code, message, duration, throttled }: EndedCall): void {
    const counts = this.#methods[method]
    counts.handled[code] = (counts.handled[code] ?? 0) + 1
    const seconds = (duration - throttled) / 1000
    counts.secondsSum += seconds
    let bucket = 0
    while (bucket < BUCKETS_SECONDS.length && seconds > (BUCKETS_SECONDS[bucket] as number)) bucket += 1
    counts.took[bucket] = (counts.took[bucket] as number) + 1
    if (code === 0) return
    const reason = reasonOf(code, message)
    this.#rejected.set(reason, (this.#rejected.get(reason) as number) + 1)
  }

  /** Everything counted here. */
  get metrics(): readonly ReadMetric[] {
    const byMethod = (value: (counts: MethodCounts) => number) => () =>
      this.#each((labels, counts) => [{ labels, value: value(counts) }])
    return [
      readMetric(
        'counter',
        'discovery_server_hello_requests_total',
        'Hello requests by version of the client.',
        () => Array.from(this.#hellos, ([label, value]) => ({ labels: { client_version: label }, value })),
      ),
      readMetric(
        'counter',
        'grpc_server_started_total',
        'Calls that have begun.',
        byMethod(({ started }) => started),
      ),
      readMetric(
        'counter',
        'grpc_server_msg_received_total',
        'Messages received.',
        byMethod(({ received }) => received),
      ),
      readMetric(
        'counter',
        'grpc_server_msg_sent_total',
        'Messages sent.',
        byMethod(({ sent }) => sent),
      ),
      readMetric('counter', 'grpc_server_handled_total', 'Calls that have ended, by their status.', () =>
        this.#each((labels, { handled }) =>
          handled.map((value, code) => ({
            labels: { ...labels, grpc_code: CODES[code] ?? 'Unknown' },
            value,
          })),
        ),
      ),
      readMetric(
        'histogram',
        'grpc_server_handling_seconds',
        'How long calls took, without waiting for their turn.',
        () => this.#each(histogramValues),
      ),
      readMetric('counter', 'discovery_rejected_calls_total', 'Calls that did not end well, by reason.', () =>
        Array.from(this.#rejected, ([reason, value]) => ({ labels: { reason }, value })),
      ),
      readMetric(
        'counter',
        'discovery_sent_bytes_total',
        'Bytes of messages sent, before HTTP/2 and TLS.',
        () => [{ labels: {}, value: this.#sentBytes }],
      ),
    ]
  }

  #each(values: (labels: Record<string, string>, counts: MethodCounts) => MetricValue[]): MetricValue[] {
    return METHOD_NAMES.flatMap((method) => values(METHODS[method], this.#methods[method]))
  }
}

function histogramValues(labels: Record<string, string>, { took, secondsSum }: MethodCounts): MetricValue[] {
  const metricName = 'grpc_server_handling_seconds'
  let count = 0
  const buckets = took.map((calls, index) => {
    count += calls
    const le = BUCKETS_SECONDS[index] ?? '+Inf'
    return { metricName: `${metricName}_bucket`, labels: { ...labels, le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${metricName}_sum`, labels, value: secondsSum },
    { metricName: `${metricName}_count`, labels, value: count },
  ]
}

function reasonOf(code: number, message: string): Reason {
  switch (CODES[code]) {
    case 'InvalidArgument':
      return 'invalid'
    case 'ResourceExhausted':
      return message.startsWith('too many')
        ? 'full'
        : message.startsWith('rate limit')
          ? 'throttled'
          : 'crowded'
    case 'PermissionDenied':
      return 'forbidden'
    case 'Aborted':
      return 'lost_update'
    case 'DeadlineExceeded':
      return 'deadline'
    default:
      return 'other'
  }
}
