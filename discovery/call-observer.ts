import { clusterTag, type Logger } from '../shared/log.ts'
import type { Config } from './config.ts'
import type { CallObserver, FinishedCall } from './transport/observe.ts'
import { STATUS, statusName } from './transport/status.ts'
import type { CallMetrics } from './web/call-metrics.ts'

/** Counts every call, and logs a line for each (SPEC 1.11) unless told otherwise. */
export function observeCalls(
  config: Pick<Config, 'logCalls' | 'logClusterIds'>,
  log: Logger,
  metrics: CallMetrics,
): CallObserver {
  const logLine = callLogger(log, config.logClusterIds)
  const { logCalls } = config
  return {
    started: (method) => metrics.started(method),
    messageReceived: (method) => metrics.messageReceived(method),
    messageSent: (method, bytes) => metrics.messageSent(method, bytes),
    hello: (clientVersion) => metrics.hello(clientVersion),
    finished: (call) => {
      metrics.finished(call)
      if (logCalls) logLine(call)
    },
  }
}

/** A cluster id, which is a capability, appears only as its tag unless asked for. */
function callLogger(log: Logger, showsIds: boolean): (call: FinishedCall) => void {
  const nameOf = showsIds ? (id: string): string => id : clusterTag
  return (call) =>
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
}
