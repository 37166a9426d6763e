import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { CallObserver, FinishedCall } from './observe.ts'
import { refuseRest } from './refuse-rest.ts'
import { encodeStatusMessage, OK, STATUS, type Status, type StatusCode } from './status.ts'

export type HealthMethod = 'Health/Check' | 'Health/Watch'

/** Who is told of the questions: there are no ids and versions in them. */
export type HealthObserver = Pick<CallObserver, 'started' | 'messageReceived' | 'messageSent' | 'finished'>

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const

/** One question about the health on its stream, whose observer is told once how it ended. */
export class HealthCall implements FinishedCall {
  readonly method: HealthMethod
  readonly address: Address | undefined
  readonly throttled = 0
  readonly clusterId = undefined
  readonly affiliateId = undefined
  readonly clientVersion = undefined
  code: StatusCode = STATUS.OK
  message = ''
  duration: Milliseconds = 0
  readonly #stream: ServerHttp2Stream
  readonly #clock: Clock
  readonly #observer: HealthObserver
  readonly #startedAt: Instant
  #isFinished = false

  constructor(
    method: HealthMethod,
    stream: ServerHttp2Stream,
    address: Address | undefined,
    clock: Clock,
    observer: HealthObserver,
  ) {
    this.method = method
    this.address = address
    this.#stream = stream
    this.#clock = clock
    this.#observer = observer
    this.#startedAt = clock.now()
    observer.started(method)
    stream.once('close', () => this.#finish({ code: STATUS.Canceled, message: '' }))
  }

  /** Whether there is still somebody to answer. */
  get canAnswer(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed
  }

  received(): void {
    this.#observer.messageReceived(this.method)
  }

  /** One message; the first brings the headers. */
  send(frame: Uint8Array): void {
    if (!this.#stream.headersSent) this.#begin()
    this.#observer.messageSent(this.method, frame.length)
    this.#stream.write(frame)
  }

  /** The last message of a call that goes well. */
  end(frame: Uint8Array): void {
    if (!this.canAnswer) return
    this.send(frame)
    this.#stream.end()
    this.#finish(OK)
  }

  /** Ends a call that has no messages yet. */
  fail(status: Status): void {
    if (!this.canAnswer || this.#stream.headersSent) return
    const { code, message } = status
    this.#stream.respond(
      { ...HEADERS, 'grpc-status': `${code}`, 'grpc-message': encodeStatusMessage(message) },
      { endStream: true },
    )
    this.#finish(status)
    refuseRest(this.#stream)
  }

  /** Ends a call that may have messages already, as its deadline does. */
  cut(status: Status): void {
    this.#finish(status)
    this.#stream.close(constants.NGHTTP2_CANCEL)
  }

  #begin(): void {
    const stream = this.#stream
    stream.respond(HEADERS, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': '' }))
  }

  #finish({ code, message }: Status): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.code = code
    this.message = message
    this.duration = this.#clock.now() - this.#startedAt
    this.#observer.finished(this)
  }
}
