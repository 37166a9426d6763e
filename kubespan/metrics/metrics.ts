import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import type { Milliseconds, UnixMilliseconds } from '../../shared/clock.ts'
import { type HttpHandler, plainAnswer } from '../../shared/http.ts'
import { type MetricValue, type ReadMetric, readMetric } from '../../shared/read-metric.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import { type Health, judgeLiveness, judgeReadiness } from './health.ts'
import { meshMetrics } from './mesh-metrics.ts'

export interface MetricSources {
  readonly view: () => DaemonView
  readonly now: () => UnixMilliseconds
  /** For how long a pass has been running without an end. */
  readonly busyFor: () => number
  /** Also what the process itself consumes. */
  readonly ofProcess: boolean
}

/** `/metrics`, `/healthz` and `/readyz` of the daemon; everything is read from the view when somebody asks. */
export function metricsPages(sources: MetricSources): HttpHandler {
  const registry = new Registry()
  let view = sources.view()
  const read = (type: ReadMetric['type'], name: string, help: string, values: () => readonly MetricValue[]) =>
    registry.registerMetric(readMetric(type, name, help, values) as unknown as Metric)
  for (const { type, name, help, values } of meshMetrics)
    read(type, name, help, () => values(view, sources.now()))
  if (sources.ofProcess) registerProcessMetrics(registry)

  return async ({ path }) => {
    switch (path) {
      case '/metrics':
        view = sources.view()
        return {
          status: 200,
          headers: { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE },
          body: await registry.metrics(),
        }
      case '/healthz':
        return answer(judgeLiveness(sources.busyFor()))
      case '/readyz':
        return answer(judgeReadiness(sources.view()))
      default:
        return plainAnswer(404, 'there is /metrics, /healthz and /readyz')
    }
  }
}

const ONE_DAY: Milliseconds = 24 * 3_600_000

/**
 * What this process consumes. Without the distribution of event-loop delays: what that is made from would wake a daemon
 * that has nothing to do fifty times a second, a quarter of all it needs when idle. The delay at the moment stays.
 */
function registerProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: ONE_DAY })
  for (const statistic of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
    register.removeSingleMetric(`nodejs_eventloop_lag_${statistic}_seconds`)
}

const answer = ({ isGood, says }: Health) => plainAnswer(isGood ? 200 : 503, says)
