import type { IncomingHttpHeaders, ServerHttp2Stream, Settings } from 'node:http2'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { IpRate } from '../limits/ip-rate.ts'
import { andThen, type Soon, type Store } from '../store/store.ts'
import type { Subscriptions } from '../subscription/subscriptions.ts'
import type { Frame } from '../subscription/watcher.ts'
import type { Refusal } from '../validation/refusal.ts'
import type { CheckedRequest } from '../validation/requests.ts'
import { Call, type CallServer } from './call.ts'
import type { Caller, Handlers } from './handlers.ts'
import type { HealthCaller } from './health.ts'
import type { Members } from './members.ts'
import { MessageRoom } from './message-room.ts'
import type { CallObserver, MethodName } from './observe.ts'
import { decodeRequest } from './request-decoder.ts'
import { encodeStatusMessage, OK, parseTimeout, STATUS, type Status, toStatus } from './status.ts'
import { TIMED_OUT, WatchStream } from './watch-stream.ts'

/**
 * What the server asks of its clients (SPEC 1.8). The windows are those of HTTP/2: requests are small, and all that a
 * connection can make us hold is one window.
 */
export const HTTP2_SETTINGS: Settings = { enablePush: false, maxConcurrentStreams: 250 }

const SERVICE = 'sidero.discovery.server.Cluster'
const METHOD_NAMES: readonly MethodName[] = ['Hello', 'AffiliateUpdate', 'AffiliateDelete', 'List', 'Watch']
const METHODS: ReadonlyMap<string, MethodName> = new Map(
  METHOD_NAMES.map((name) => [`/${SERVICE}/${name}`, name]),
)

const NOT_PROTOBUF: Status = {
  code: STATUS.Internal,
  message: 'the request is no valid protobuf message',
}
/** A message that is not complete by then never will be; a client without a deadline would keep its place for ever. */
const READ_LIMIT_MS: Milliseconds = 10_000
const NO_TIMEOUT: Status = { code: STATUS.Internal, message: 'grpc-timeout is malformed' }
const THROTTLED = toStatus({ kind: 'throttled' })

export interface GrpcServiceOptions {
  readonly handlers: Handlers
  readonly members: Members
  readonly store: Pick<Store, 'follow'>
  readonly subscriptions: Subscriptions
  readonly observer: CallObserver
  readonly clock: Clock
  /** Undefined: nobody is limited. */
  readonly rate: IpRate | undefined
  /** `rawHeaders` are names and values in turn, as they came. */
  readonly addressOf: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ) => Address | undefined
  /** Another service on the same port, by path; true when it took the stream over. */
  readonly other?: (path: string, stream: ServerHttp2Stream, caller: HealthCaller) => boolean
}

/** gRPC over HTTP/2 as far as five methods need it: HTTP/2 itself is Node's (ADR 4). */
export class GrpcService implements CallServer {
  readonly clock: Clock
  readonly observer: CallObserver
  readonly room = new MessageRoom()
  readonly #options: GrpcServiceOptions
  /** Calls that nobody attends to yet. */
  #fresh: Call[] = []

  constructor(options: GrpcServiceOptions) {
    this.#options = options
    this.clock = options.clock
    this.observer = options.observer
  }

  /** Takes over one stream, whose errors somebody else hears. */
  readonly handle = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: readonly string[],
  ): void => {
    if (headers[':method'] !== 'POST') return stream.respond({ ':status': 405, allow: 'POST' }, END_STREAM)
    if (!isGrpc(headers['content-type'])) return stream.respond({ ':status': 415 }, END_STREAM)
    const path = headers[':path'] ?? ''
    const method = METHODS.get(path)
    const given = headers['grpc-timeout']
    const timeout = given === undefined ? Infinity : parseTimeout(String(given))
    const address = this.#options.addressOf(stream, headers, rawHeaders)
    if (method === undefined) {
      const caller = { address, timeout: timeout ?? 0 }
      if (this.#options.other?.(path, stream, caller) !== true) failUnknown(stream, path)
      return
    }
    const call = new Call(this, stream, method, address, timeout ?? 0)
    call.proof = this.#options.members.proofOf(stream, headers)
    if (timeout === undefined) call.end(NO_TIMEOUT)
    else this.#admit(call)
  }

  received(call: Call, bytes: Buffer, start: number): void {
    const { handlers, observer, members } = this.#options
    const { method } = call
    observer.messageReceived(method)
    const request = decodeRequest(bytes, start)
    if (request === undefined) return call.end(NOT_PROTOBUF)
    call.clusterId = request.clusterId
    if (method === 'Hello') {
      call.clientVersion = request.affiliateId ?? ''
      observer.hello(call.clientVersion)
    } else if (request.affiliateId !== '') call.affiliateId = request.affiliateId
    const key = members.keyOf(call, request.clusterId ?? '', bytes, start)
    const refusal = handlers.refuse(method, request, { key, problem: call.proofProblem })
    if (refusal !== undefined) return call.end(toStatus(refusal))
    const checked = request as CheckedRequest
    if (method === 'Watch') return this.#watch(call, checked.clusterId, key)
    const caller = { address: call.address, key }
    const answer =
      method === 'Hello' && call.proof !== undefined
        ? this.#helloWithProof(call, checked, caller)
        : handlers.answer(method, checked, caller)
    if (answer instanceof Promise) void answer.then((late) => finish(call, late))
    else finish(call, answer)
  }

  #helloWithProof(call: Call, request: CheckedRequest, caller: Caller): Soon<Frame | Refusal> {
    const { handlers, members } = this.#options
    return andThen(members.answerTo(call, request.clusterId, caller.key), (said) => {
      call.proofAnswer = said
      return handlers.answer('Hello', request, caller)
    })
  }

  /** SPEC 1.7: takes a token, and reads the request once the call's turn has come. */
  #admit(call: Call): void {
    const { rate, clock } = this.#options
    const { address } = call
    if (rate !== undefined && address !== undefined) {
      const admission = rate.take(address, call.startedAt, call.timeout)
      if ('refused' in admission) return call.end(THROTTLED)
      if (admission.wait > 0) {
        const turn = clock.after(admission.wait, () => {
          call.onClosed = undefined
          call.throttled = clock.now() - call.startedAt
          call.read()
          this.#limitReading(call, READ_LIMIT_MS)
        })
        call.onClosed = () => {
          turn[Symbol.dispose]()
          rate.giveBack(address)
        }
        return this.#attendSoon(call)
      }
    }
    call.read()
    this.#attendSoon(call)
  }

  /** When what has arrived by now was read. A listener and a timer for each call would cost more than the call. */
  #attendSoon(call: Call): void {
    if (this.#fresh.push(call) === 1) setImmediate(this.#attendFresh)
  }

  readonly #attendFresh = (): void => {
    const calls = this.#fresh
    this.#fresh = []
    for (const call of calls) if (!call.isFinished) this.#attend(call)
  }

  #attend(call: Call): void {
    call.attend()
    this.#limitReading(call, call.isReading ? Math.min(call.timeLeft, READ_LIMIT_MS) : call.timeLeft)
  }

  #limitReading(call: Call, limit: Milliseconds): void {
    if (call.isRead || !Number.isFinite(limit)) return
    const deadline = this.clock.after(Math.max(0, limit), () => {
      if (!call.isRead) call.end(TIMED_OUT)
    })
    call.stream.once('close', () => deadline[Symbol.dispose]())
  }

  #watch(call: Call, clusterId: string, key: string | undefined): void {
    const { store, subscriptions } = this.#options
    const refusal = store.follow(clusterId)
    if (refusal instanceof Promise) {
      void refusal.then((late) => this.#watchLate(call, clusterId, key, late))
    } else if (refusal !== undefined) call.end(toStatus(refusal))
    else if (call.canSend) new WatchStream(call, clusterId, subscriptions, this.clock)
  }

  /** Meanwhile the call may have ended, the service may stop, and the cluster may have left the list of those served. */
  #watchLate(call: Call, clusterId: string, key: string | undefined, refused: Refusal | undefined): void {
    const { handlers, subscriptions } = this.#options
    const refusal = refused ?? handlers.refuseCluster(clusterId, { key, problem: call.proofProblem })
    if (refusal !== undefined) call.end(toStatus(refusal))
    else if (subscriptions.hasEnded) call.end(OK)
    else if (!call.isFinished && call.canSend) new WatchStream(call, clusterId, subscriptions, this.clock)
  }
}

function finish(call: Call, answer: Frame | Refusal): void {
  if ('kind' in answer) call.end(toStatus(answer))
  else call.answer(answer)
}

const END_STREAM = { endStream: true } as const

/** `application/grpc`, maybe with a codec or parameters, but not grpc-web. */
function isGrpc(contentType: string | undefined): boolean {
  if (contentType === 'application/grpc') return true
  return contentType !== undefined && /^application\/grpc[+;]/i.test(contentType)
}

/** A status without a call: nobody counts methods that do not exist. */
function failUnknown(stream: ServerHttp2Stream, path: string): void {
  const [, service, method] = /^\/(.*)\/([^/]*)$/.exec(path) ?? []
  const message =
    service === undefined
      ? `malformed method name: "${path}"`
      : service === SERVICE
        ? `unknown method ${method} for service ${service}`
        : `unknown service ${service}`
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': `${STATUS.Unimplemented}`,
      'grpc-message': encodeStatusMessage(message),
    },
    END_STREAM,
  )
}
