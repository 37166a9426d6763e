import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../shared/clock.ts'
import { plainAnswer } from '../shared/http.ts'
import type { Prefix } from '../shared/net/address.ts'
import { PrefixSet } from '../shared/net/prefix-set.ts'
import { CallLog } from './call-log.ts'
import { observeCalls } from './call-observer.ts'
import type { Config } from './config.ts'
import { IpRate } from './limits/ip-rate.ts'
import { certificateOf } from './service.ts'
import { Clusters } from './state/clusters.ts'
import { FLUSH_PACING } from './subscription/flush.ts'
import { Subscriptions } from './subscription/subscriptions.ts'
import { makeFrame } from './transport/frames.ts'
import { GrpcService } from './transport/grpc.ts'
import { Handlers } from './transport/handlers.ts'
import { Listener, type ListenerOptions } from './transport/listener.ts'
import { PeerJudge } from './transport/peer-judge.ts'
import { encodeCall, HELLO_OF_A_CLIENT } from './warm-up-frames.ts'
import { CallMetrics } from './web/call-metrics.ts'

const LOOPBACK = '127.0.0.1'
const LOOPBACK_NETWORK = '127.0.0.0/8' as Prefix
const CLIENTS_AT_ONCE = 10
const UPDATES_PER_CLIENT = 8
const nothing = (): void => {}

/**
 * Serves clients of its own for a while, on a loopback port and with a state that are thrown away. After a restart all
 * nodes come back at once; without this the first thousands of their calls would run through code that V8 has not
 * compiled yet, at several times the cost. What goes wrong here is of no consequence.
 */
export async function warmUp(clock: Clock, config: WarmUpConfig): Promise<void> {
  if (config.warmUp === 0) return
  const over = new AbortController()
  using _alarm = clock.after(config.warmUp, () => over.abort())
  const certificate = certificateOf(config)
  const sockets: Socket[] = []
  try {
    const { subscriptions, grpc, log } = makeScratch(clock)
    using _log = log
    await using listener = await listen(grpc, clock, certificate)
    for (let round = 0; !over.signal.aborted; round += 1) {
      const clients = Array.from({ length: CLIENTS_AT_ONCE }, (_, index) => {
        const socket = open(listener.port, certificate !== undefined)
        sockets.push(socket)
        return beClient(socket, round, index, over.signal)
      })
      await Promise.all(clients)
      subscriptions.endAll()
      for (const socket of sockets.splice(0)) socket.destroy()
    }
  } catch {
    // The time is over, or there is no loopback here, or the certificate is no good: the service itself will say so.
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

export type WarmUpConfig = Pick<Config, 'warmUp' | 'certificatePath' | 'keyPath'>

/** All that stands on the path of a call, with nobody behind it. */
function makeScratch(clock: Clock): { subscriptions: Subscriptions; grpc: GrpcService; log: CallLog } {
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
  const log = new CallLog({ clock, write: nothing, showsIds: false })
  const peers = new PeerJudge({
    trustedProxies: PrefixSet.of([LOOPBACK_NETWORK]),
    trust: { 'x-real-ip': true, 'x-forwarded-for': true },
    onIgnored: nothing,
  })
  const admission = { cluster: () => undefined, newCluster: () => undefined }
  const handlers = new Handlers({ clusters, clock, admission, redirectEndpoint: '', reportClientIp: true })
  const observer = observeCalls(new CallMetrics(), log)
  const rate = new IpRate()
  const { addressOf } = peers
  return {
    subscriptions,
    log,
    grpc: new GrpcService({ handlers, subscriptions, clock, rate, observer, addressOf }),
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

/** The certificate is our own, and nothing is sent that matters: there is nobody to be sure of. */
function open(port: number, isTls: boolean): Socket {
  const at = { host: LOOPBACK, port }
  const socket = isTls ? connectTls({ ...at, ALPNProtocols: ['h2'], rejectUnauthorized: false }) : connect(at)
  return socket.on('error', nothing)
}

/** What a node does when it starts, and then some. */
async function beClient(socket: Socket, round: number, index: number, signal: AbortSignal): Promise<void> {
  const ask = async (...parts: Buffer[]): Promise<void> => {
    socket.write(Buffer.concat(parts))
    await once(socket, 'data', { signal })
  }
  const address = `10.${round & 255}.0.${index}`
  const cluster = `cluster ${round}`
  const affiliate = `affiliate ${index}`
  let stream = 1
  const call = (method: string, fields: Parameters<typeof encodeCall>[3]): Buffer => {
    stream += 2
    return encodeCall(stream - 2, method, address, fields)
  }
  await ask(HELLO_OF_A_CLIENT, call('Hello', [cluster, 'v1.2.3']))
  await ask(call('Watch', [cluster]))
  for (let count = 0; count < UPDATES_PER_CLIENT; count += 1) {
    const data = Buffer.alloc(400, count >> 1) // every other one is the same again
    const ttl = Buffer.of(0x08, 0x3c)
    const endpoints = [Buffer.alloc(24, 1), Buffer.alloc(24, 2)]
    await ask(call('AffiliateUpdate', [cluster, affiliate, data, endpoints, ttl]))
  }
  await ask(call('List', [cluster]))
}
