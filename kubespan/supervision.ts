import { systemClock } from '../shared/clock.ts'
import type { Logger } from '../shared/log.ts'
import type { Daemon } from './daemon.ts'
import type { Host } from './host/host.ts'
import { ServiceManager } from './host/service-manager.ts'
import { judgeLiveness } from './metrics/health.ts'
import { metricsPages } from './metrics/metrics.ts'
import { MetricsServer } from './metrics/server.ts'
import type { DaemonSummary } from './model/daemon-view.ts'

/** What those see who look after the daemon: metrics and health over HTTP, readiness and watchdog for systemd. */
export async function supervise(daemon: Daemon, host: Host, log: Logger): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const metrics = stack.use(
    new MetricsServer({
      log,
      handler: metricsPages({
        view: () => daemon.view(),
        now: () => systemClock.wall(),
        busyFor: () => daemon.busyFor,
        ofProcess: true,
      }),
    }),
  )
  const manager = stack.use(
    new ServiceManager({
      runner: host,
      clock: systemClock,
      environment: process.env,
      pid: process.pid,
      isAlive: () => judgeLiveness(daemon.busyFor).isGood,
      status: () => describeForManager(daemon.summary),
      onFailure: (error) => log.warn({ err: String(error) }, 'systemd is not told how we are'),
    }),
  )
  stack.defer(() => manager.stopping())

  let followed = daemon.settings
  let isReady = false
  const look = (): void => {
    if (daemon.settings !== followed) {
      followed = daemon.settings
      void metrics.follow(followed.node.metricsAddress)
    }
    if (!isReady && daemon.hasPassed) {
      isReady = true
      void manager.ready()
    }
    manager.mayHaveChanged()
  }
  stack.use(daemon.subscribe(look))
  await metrics.follow(followed.node.metricsAddress)
  look()
  return stack.move()
}

/** What `systemctl status` shows. It is asked after each look, so nothing is described for it that it does not say. */
export function describeForManager({
  enabled,
  peers,
  peersUp,
  silentServices,
  problem,
}: DaemonSummary): string {
  if (problem !== undefined) return `the last pass failed: ${problem}`
  if (!enabled) return 'KubeSpan is disabled'
  const silence = silentServices.length === 0 ? '' : `; not connected: ${silentServices.join(', ')}`
  return `${peersUp} of ${peers} peers up${silence}`
}
