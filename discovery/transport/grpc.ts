import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { IpRate } from '../limits/ip-rate.ts'
import type { Clusters } from '../state/clusters.ts'
import type { Subscriptions } from '../subscription/subscriptions.ts'
import type { RequestFields } from '../validation/requests.ts'
import { textOf } from '../validation/requests.ts'
import { Call, OK } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Handlers } from './handlers.ts'
import { MessageReader } from './message-reader.ts'
import type { CallObserver, MethodName } from './observe.ts'
import { encodeStatusMessage, parseTimeout, STATUS, type Status, toStatus } from './status.ts'

const SERVICE = '/sidero.discovery.server.Cluster/'
const METHODS: ReadonlyMap<string, MethodName> = new Map(
  (['Hello', 'AffiliateUpdate', 'AffiliateDelete', 'List', 'Watch'] as const).map((name) => [
    `${SERVICE}${name}`,
    name,
  ]),
)

const LOST_UPDATE: Status = { code: STATUS.Aborted, message: 'subscription canceled: lost update' }
const TIMED_OUT: Status = { code: STATUS.DeadlineExceeded, message: 'the deadline of the call has passed' }

export interface GrpcServiceOptions {
  readonly handlers: Handlers
  readonly clusters: Clusters
  readonly subscriptions: Subscriptions
  readonly observer: CallObserver
  readonly clock: Clock
  /** Undefined: nobody is limited. */
  readonly rate: IpRate | undefined
  readonly addressOf: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ) => Address | undefined
  /** Other services on the same port, by path; true when the stream was taken over. */
  readonly other?: (path: string, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean
}

/** gRPC over HTTP/2 as far as five methods need it: HTTP/2 itself is Node's (ADR 4). */
export class GrpcService {
  readonly #options: GrpcServiceOptions

  constructor(options: GrpcServiceOptions) {
    this.#options = options
  }

  /** Takes over one stream. */
  readonly handle = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: readonly string[],
  ): void => {
    stream.on('error', ignore)
    const path = headers[':path'] ?? ''
    const method = METHODS.get(path)
    if (headers[':method'] !== 'POST') return refuseStream(stream, 405)
    if (method === undefined) {
      if (this.#options.other?.(path, stream, headers)) return
      return failStream(stream, { code: STATUS.Unimplemented, message: `unknown method ${path}` })
    }
    const timeout =
      headers['grpc-timeout'] === undefined ? Infinity : parseTimeout(`${headers['grpc-timeout']}`)
    const call = new Call(this.#options, stream, method, this.#options.addressOf(stream, headers, rawHeaders))
    stream.once('close', () => call.closed())
    if (timeout === undefined)
      return call.end({ code: STATUS.Internal, message: 'grpc-timeout is malformed' })
    this.#admit(call, timeout)
  }

  /** SPEC 1.7: takes a token, and reads the request once the call's turn has come. */
  #admit(call: Call, timeout: Milliseconds): void {
    const { rate, clock } = this.#options
    const reader = new MessageReader(
      call.stream,
      (message) => this.#received(call, message, timeout),
      (status) => call.end(status),
    )
    if (rate === undefined || call.address === undefined) return reader.release()
    const { address } = call
    const admission = rate.take(address, clock.now(), timeout)
    if ('refused' in admission) return call.end(toStatus({ kind: 'throttled' }))
    if (admission.wait === 0) return reader.release()
    const turn = clock.after(admission.wait, () => {
      call.throttled = clock.now() - call.startedAt
      reader.release()
    })
    call.stream.once('close', () => {
      turn[Symbol.dispose]()
      if (call.throttled === 0) rate.giveBack(address)
    })
  }

  #received(call: Call, message: Uint8Array, timeout: Milliseconds): void {
    const { observer, handlers } = this.#options
    observer.messageReceived(call.method)
    const fields = decodeRequest(message)
    if (fields === undefined)
      return call.end({ code: STATUS.Internal, message: 'the request is no valid protobuf message' })
    if (call.method === 'Hello') this.#noteVersion(call, fields)
    const checked = handlers.check(call.method, fields)
    if ('kind' in checked) return call.end(toStatus(checked))
    call.request = checked
    if (call.method === 'Watch') return this.#watch(call, checked.clusterId, timeout)
    const answer = handlers.answer(call.method, checked, call.address)
    if (answer instanceof Uint8Array) call.answer(answer)
    else call.end(toStatus(answer))
  }

  /** In HelloRequest the second field is the version. */
  #noteVersion(call: Call, { affiliateId }: RequestFields): void {
    call.clientVersion = textOf(affiliateId) ?? ''
    this.#options.observer.hello(call.clientVersion)
  }

  #watch(call: Call, clusterId: string, timeout: Milliseconds): void {
    const { subscriptions, clusters, clock } = this.#options
    const { stream } = call
    call.begin()
    const watcher = subscriptions.watch(clusterId, () => clusters.affiliatesOf(clusterId), {
      send: (frame) => call.send(frame),
      abort: () => call.end(LOST_UPDATE),
      end: () => call.end(OK),
    })
    stream.on('drain', () => watcher.ready())
    // S19: a deadline ends the stream as a deadline does.
    const deadline = Number.isFinite(timeout)
      ? clock.after(Math.max(0, timeout - (clock.now() - call.startedAt)), () => {
          watcher.close()
          call.end(TIMED_OUT)
        })
      : undefined
    stream.once('close', () => {
      deadline?.[Symbol.dispose]()
      watcher.close()
    })
  }
}

const ignore = (): void => {}

function refuseStream(stream: ServerHttp2Stream, httpStatus: number): void {
  stream.respond({ ':status': httpStatus }, { endStream: true })
}

/** A status without a call: nobody counts methods that do not exist. */
function failStream(stream: ServerHttp2Stream, { code, message }: Status): void {
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': `${code}`,
      'grpc-message': encodeStatusMessage(message),
    },
    { endStream: true },
  )
}
