import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import { plainAnswer } from '../../shared/http.ts'
import type { Prefix } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import { CallLog } from '../call-log.ts'
import { observeCalls } from '../call-observer.ts'
import type { Config } from '../config.ts'
import { ClusterAdmission } from '../limits/admission.ts'
import { IpRate } from '../limits/ip-rate.ts'
import { certificateOf } from '../service.ts'
import { Clusters } from '../state/clusters.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { FLUSH_PACING } from '../subscription/flush.ts'
import { Subscriptions } from '../subscription/subscriptions.ts'
import { makeFrame } from '../transport/frames.ts'
import { GrpcService } from '../transport/grpc.ts'
import { Handlers } from '../transport/handlers.ts'
import { Listener, type ListenerOptions } from '../transport/listener.ts'
import { Members } from '../transport/members.ts'
import { PeerJudge } from '../transport/peer-judge.ts'
import { CallMetrics } from '../web/call-metrics.ts'

/** A program of its own: as a thread it would leave some 20 MB behind. */
const CLIENTS = fileURLToPath(new URL('./clients.ts', import.meta.url))
/** They begin a tenth of a second after they were started, on a busy machine later. */
const CLIENTS_START_LIMIT_MS: Milliseconds = 1_000
const LOOPBACK = '127.0.0.1'
const LOOPBACK_NETWORK = '127.0.0.0/8' as Prefix
const nothing = (): void => {}
/**
 * By itself V8 compiles a function after 400 calls, and 500 since it last learned something about it; a warm-up makes about
 * 200 connections. These stay in effect: what is left to compile is compiled early as well.
 */
const EARLY_COMPILER = ['--invocation-count-for-maglev=60', '--minimum-invocations-after-ic-update=40']

/**
 * Serves clients of its own for a while, on a loopback port and with a state that are thrown away. After a restart all
 * nodes come back at once; without this the first thousands of their calls would run through code that V8 has not
 * compiled yet, at several times the cost. What goes wrong here is of no consequence.
 */
export async function warmUp(clock: Clock, config: WarmUpConfig): Promise<void> {
  if (config.warmUp === 0) return
  for (const flag of EARLY_COMPILER) setFlagsFromString(flag)
  const over = new AbortController()
  using _late = clock.after(config.warmUp + CLIENTS_START_LIMIT_MS, () => over.abort())
  const certificate = certificateOf(config)
  try {
    await using stack = new AsyncDisposableStack()
    const ports: number[] = []
    // With one alone, V8 would take what is true of that one for the rule, and drop its code at the first call of the real one.
    for (let count = 0; count < 2; count += 1) {
      const { grpc, log } = makeScratch(clock)
      stack.use(log)
      ports.push(stack.use(await listen(grpc, clock, certificate)).port)
    }
    const order = [ports.join(), certificate === undefined ? 'plaintext' : 'tls']
    const clients = spawn(process.execPath, [CLIENTS, ...order], { stdio: ['ignore', 'pipe', 'ignore'] })
    const gone = once(clients, 'exit', { signal: over.signal })
    try {
      await Promise.race([gone, once(clients.stdout, 'data', { signal: over.signal })])
      using _alarm = clock.after(config.warmUp, () => over.abort())
      await gone
    } finally {
      clients.kill('SIGKILL')
    }
  } catch {
    // The time is over, or there is no loopback here, or the certificate is no good: the service itself will say so.
  }
}

export type WarmUpConfig = Pick<Config, 'warmUp' | 'certificatePath' | 'keyPath'>

/** All that stands on the path of a call, with nobody behind it. */
function makeScratch(clock: Clock): { grpc: GrpcService; log: CallLog } {
  const subscriptions: Subscriptions = new Subscriptions({
    clock,
    pacing: { ...FLUSH_PACING, interval: 1, maxInterval: 1 },
    makeFrame,
    affiliatesOf: (clusterId) => clusters.affiliatesOf(clusterId),
    stallLimit: 60_000,
    onFlush: nothing,
    onAbort: nothing,
  })
  const clusters = new Clusters(subscriptions)
  const store = new MemoryStore(clusters, clock)
  const log = new CallLog({ clock, level: 'info', write: nothing, showsIds: false })
  const peers = new PeerJudge({
    trustedProxies: PrefixSet.of([LOOPBACK_NETWORK]),
    trust: { 'x-real-ip': true, 'x-forwarded-for': true },
    onIgnored: nothing,
  })
  const admission = new ClusterAdmission({
    maxClustersPerAddress: 0,
    claims: store,
    isMemoryShort: () => false,
  })
  const handlers = new Handlers({ store, admission, redirectEndpoint: '', reportClientIp: true })
  const observer = observeCalls(new CallMetrics(), log)
  const rate = new IpRate()
  const { addressOf } = peers
  return {
    log,
    grpc: new GrpcService({
      handlers,
      members: new Members({
        wall: () => clock.wall(),
        names: () => ({ given: [], certified: undefined }),
        isOfProxy: peers.isOfProxy,
        listedKey: () => undefined,
        keyOf: (clusterId) => store.keyOf(clusterId),
      }),
      store,
      subscriptions,
      clock,
      rate,
      observer,
      addressOf,
      other: () => false,
    }),
  }
}

const listen = (
  grpc: GrpcService,
  clock: Clock,
  certificate: ListenerOptions['certificate'],
): Promise<Listener> =>
  Listener.listen({
    at: { host: LOOPBACK, port: 0 },
    certificate,
    onCall: grpc.handle,
    pages: () => plainAnswer(404, ''),
    clock,
    reports: { certificateReloaded: nothing, certificateKept: nothing, failed: nothing },
    liveness: { idle: 60_000, answer: 60_000 },
  })
