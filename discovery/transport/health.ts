import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { IpRate } from '../limits/ip-rate.ts'
import { frameMessage } from './frames.ts'
import { MessageReader } from './message-reader.ts'
import { MessageRoom } from './message-room.ts'
import { decodeRequest } from './request-decoder.ts'
import { encodeStatusMessage, STATUS, type Status } from './status.ts'
import { TIMED_OUT } from './watch-stream.ts'

const CHECK = '/grpc.health.v1.Health/Check'
const WATCH = '/grpc.health.v1.Health/Watch'

/** Empty is the server as a whole. */
const SERVICES: ReadonlySet<string> = new Set([
  '',
  'sidero.discovery.server.Cluster',
  'grpc.health.v1.Health',
])

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3
/** Questions are a name. */
const QUESTION_ROOM_BYTES = 1 << 20
/** A question that is not complete by then never will be. */
const READ_LIMIT_MS: Milliseconds = 10_000
/** Its only use is here. */
const STATUS_NOT_FOUND = 5

interface Failure {
  readonly code: number
  readonly message: string
}

const NOT_PROTOBUF: Status = {
  code: STATUS.Internal,
  message: 'the request is no valid protobuf message',
}
const TOO_OFTEN: Status = { code: STATUS.ResourceExhausted, message: 'the health is asked for too often' }

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const

export interface HealthOptions {
  readonly clock: Clock
  /** Of its own, so that nodes behind the same address do not make the service look ill. Undefined: nobody is limited. */
  readonly rate: IpRate | undefined
}

/** Who asks, and how long the answer may take. */
export interface HealthCaller {
  readonly address: Address | undefined
  /** Infinity when the client set none. */
  readonly timeout: Milliseconds
}

/** grpc.health.v1.Health: what load balancers and supervisors ask on the port of the service. */
export class HealthService {
  readonly #options: HealthOptions
  /** Watch streams of services that are here. */
  readonly #watchers = new Set<ServerHttp2Stream>()
  readonly #room = new MessageRoom(QUESTION_ROOM_BYTES)
  #status = SERVING

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** Takes over a stream whose path is ours; false when it is not. Who asks too often is refused, and does not wait. */
  readonly handle = (path: string, stream: ServerHttp2Stream, caller: HealthCaller): boolean => {
    if (path !== CHECK && path !== WATCH) return false
    if (this.#isTooOften(caller.address)) fail(stream, TOO_OFTEN)
    else this.#read(path, stream, caller.timeout)
    return true
  }

  /** Forgets who has not asked for a while. */
  sweep(now: Instant): void {
    this.#options.rate?.sweep(now)
  }

  /** Says that we serve no more, and ends the streams of those who watch. */
  end(): void {
    this.#status = NOT_SERVING
    for (const stream of this.#watchers) stream.end(statusFrame(this.#status))
  }

  #isTooOften(address: Address | undefined): boolean {
    const { clock, rate } = this.#options
    return rate !== undefined && address !== undefined && 'refused' in rate.take(address, clock.now(), 0)
  }

  #read(path: string, stream: ServerHttp2Stream, timeout: Milliseconds): void {
    const { clock } = this.#options
    const limit = clock.after(Math.min(timeout, READ_LIMIT_MS), () => fail(stream, TIMED_OUT))
    stream.once('close', () => limit[Symbol.dispose]())
    const reader = new MessageReader(
      stream,
      (message) => {
        limit[Symbol.dispose]()
        if (!canAnswer(stream)) return
        if (path === CHECK) this.#check(stream, message)
        else this.#watch(stream, message, timeout)
      },
      (status) => fail(stream, status),
      this.#room,
    )
    reader.release()
  }

  #check(stream: ServerHttp2Stream, message: Buffer): void {
    const service = serviceOf(message)
    if (service === undefined) return fail(stream, NOT_PROTOBUF)
    if (!SERVICES.has(service))
      return fail(stream, { code: STATUS_NOT_FOUND, message: `there is no service ${service}` })
    begin(stream)
    stream.end(statusFrame(this.#status))
  }

  #watch(stream: ServerHttp2Stream, message: Buffer, timeout: Milliseconds): void {
    const service = serviceOf(message)
    if (service === undefined) return fail(stream, NOT_PROTOBUF)
    begin(stream)
    if (Number.isFinite(timeout)) {
      const over = this.#options.clock.after(timeout, () => stream.close(constants.NGHTTP2_CANCEL))
      stream.once('close', () => over[Symbol.dispose]())
    }
    stream.write(statusFrame(SERVICES.has(service) ? this.#status : SERVICE_UNKNOWN))
    this.#watchers.add(stream)
    stream.once('close', () => this.#watchers.delete(stream))
  }
}

/** HealthCheckResponse.status, an enumeration. */
const STATUS_TAG = 0x08

const statusFrame = (status: number): Uint8Array => frameMessage(Uint8Array.of(STATUS_TAG, status))

/** HealthCheckRequest has the name in its first field, where requests of the service have their cluster. */
const serviceOf = (message: Buffer): string | undefined => decodeRequest(message)?.clusterId

/** Whether there is still somebody to answer. */
const canAnswer = ({ destroyed, closed }: ServerHttp2Stream): boolean => !destroyed && !closed

function begin(stream: ServerHttp2Stream): void {
  stream.respond(HEADERS, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': '' }))
}

function fail(stream: ServerHttp2Stream, { code, message }: Failure): void {
  if (!canAnswer(stream) || stream.headersSent) return
  stream.respond(
    { ...HEADERS, 'grpc-status': `${code}`, 'grpc-message': encodeStatusMessage(message) },
    { endStream: true },
  )
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR) // the rest of the question is not wanted
}
