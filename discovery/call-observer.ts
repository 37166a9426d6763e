import type { CallLog } from './call-log.ts'
import type { CallObserver } from './transport/observe.ts'
import type { CallMetrics } from './web/call-metrics.ts'

/** Counts every call, and logs a line for each when there is a log. */
export const observeCalls = (metrics: CallMetrics, log: CallLog | undefined): CallObserver => ({
  started: (method) => metrics.started(method),
  messageReceived: (method) => metrics.messageReceived(method),
  messageSent: (method, bytes) => metrics.messageSent(method, bytes),
  hello: (clientVersion) => metrics.hello(clientVersion),
  finished: (call) => {
    metrics.finished(call)
    log?.note(call)
  },
})
