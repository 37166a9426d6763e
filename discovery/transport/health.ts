import type { ServerHttp2Stream } from 'node:http2'
import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { IpRate } from '../limits/ip-rate.ts'
import { frameMessage } from './frames.ts'
import { HealthCall, type HealthMethod, type HealthObserver } from './health-call.ts'
import { MessageReader } from './message-reader.ts'
import { MessageRoom } from './message-room.ts'
import { decodeRequest } from './request-decoder.ts'
import { STATUS, type Status } from './status.ts'
import { TIMED_OUT } from './watch-stream.ts'

const METHODS: ReadonlyMap<string, HealthMethod> = new Map([
  ['/grpc.health.v1.Health/Check', 'Health/Check'],
  ['/grpc.health.v1.Health/Watch', 'Health/Watch'],
])

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

const NOT_PROTOBUF: Status = {
  code: STATUS.Internal,
  message: 'the request is no valid protobuf message',
}
const TOO_OFTEN: Status = { code: STATUS.ResourceExhausted, message: 'rate limit of health checks exceeded' }

export interface HealthOptions {
  readonly clock: Clock
  /** Of its own, so that nodes behind the same address do not make the service look ill. Undefined: nobody is limited. */
  readonly rate: IpRate | undefined
  readonly observer: HealthObserver
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
  readonly #watchers = new Set<HealthCall>()
  readonly #room = new MessageRoom(QUESTION_ROOM_BYTES)
  #status = SERVING

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** Takes over a stream whose path is ours; false when it is not. Who asks too often is refused, and does not wait. */
  readonly handle = (path: string, stream: ServerHttp2Stream, caller: HealthCaller): boolean => {
    const method = METHODS.get(path)
    if (method === undefined) return false
    const { clock, observer } = this.#options
    const call = new HealthCall(method, stream, caller.address, clock, observer)
    if (this.#isTooOften(caller.address)) call.fail(TOO_OFTEN)
    else this.#read(call, stream, caller.timeout)
    return true
  }

  /** Forgets who has not asked for a while. */
  sweep(now: Instant): void {
    this.#options.rate?.sweep(now)
  }

  /** Says that we serve no more, and ends the streams of those who watch. */
  end(): void {
    this.#status = NOT_SERVING
    for (const call of this.#watchers) call.end(statusFrame(this.#status))
  }

  #isTooOften(address: Address | undefined): boolean {
    const { clock, rate } = this.#options
    return rate !== undefined && address !== undefined && 'refused' in rate.take(address, clock.now(), 0)
  }

  #read(call: HealthCall, stream: ServerHttp2Stream, timeout: Milliseconds): void {
    const { clock } = this.#options
    const limit = clock.after(Math.min(timeout, READ_LIMIT_MS), () => call.fail(TIMED_OUT))
    stream.once('close', () => limit[Symbol.dispose]())
    const reader = new MessageReader(
      stream,
      (message) => {
        limit[Symbol.dispose]()
        if (!call.canAnswer) return
        call.received()
        const service = serviceOf(message)
        if (service === undefined) call.fail(NOT_PROTOBUF)
        else if (call.method === 'Health/Check') this.#check(call, service)
        else this.#watch(call, stream, service, timeout)
      },
      (status) => call.fail(status),
      this.#room,
    )
    reader.release()
  }

  #check(call: HealthCall, service: string): void {
    if (SERVICES.has(service)) call.end(statusFrame(this.#status))
    else call.fail({ code: STATUS.NotFound, message: `there is no service ${service}` })
  }

  #watch(call: HealthCall, stream: ServerHttp2Stream, service: string, timeout: Milliseconds): void {
    if (Number.isFinite(timeout)) {
      const over = this.#options.clock.after(timeout, () => call.cut(TIMED_OUT))
      stream.once('close', () => over[Symbol.dispose]())
    }
    call.send(statusFrame(SERVICES.has(service) ? this.#status : SERVICE_UNKNOWN))
    this.#watchers.add(call)
    stream.once('close', () => this.#watchers.delete(call))
  }
}

/** HealthCheckResponse.status, an enumeration. */
const STATUS_TAG = 0x08

const statusFrame = (status: number): Uint8Array => frameMessage(Uint8Array.of(STATUS_TAG, status))

/** HealthCheckRequest has the name in its first field, where requests of the service have their cluster. */
const serviceOf = (message: Buffer): string | undefined => decodeRequest(message)?.clusterId
