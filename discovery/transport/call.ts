import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { CheckedRequest } from './handlers.ts'
import type { CallObserver, MethodName } from './observe.ts'
import { encodeStatusMessage, STATUS, type Status } from './status.ts'

export const OK: Status = { code: STATUS.OK, message: '' }

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const
const WITH_TRAILERS = { waitForTrailers: true } as const
const OK_TRAILERS = { 'grpc-status': '0', 'grpc-message': '' } as const
/** A stream that was ended with unread messages in it is cut off after this. */
const END_LIMIT_MS: Milliseconds = 5_000

export interface CallContext {
  readonly clock: Clock
  readonly observer: CallObserver
}

/** One call: its stream, and what is known of it. Answers exactly once, whatever happens. */
export class Call {
  readonly stream: ServerHttp2Stream
  readonly method: MethodName
  readonly address: Address | undefined
  readonly startedAt: Instant
  readonly #context: CallContext
  throttled: Milliseconds = 0
  request: CheckedRequest | undefined
  clientVersion: string | undefined
  #status: Status = OK
  #isFinished = false
  #isResponding = false

  constructor(
    context: CallContext,
    stream: ServerHttp2Stream,
    method: MethodName,
    address: Address | undefined,
  ) {
    this.#context = context
    this.stream = stream
    this.method = method
    this.address = address
    this.startedAt = context.clock.now()
    context.observer.started(method)
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  /** A unary answer. */
  answer(frame: Uint8Array): void {
    if (this.#isFinished || this.#isGone()) return
    this.begin()
    this.#context.observer.messageSent(this.method, frame.length)
    this.stream.end(frame)
    this.#finish(OK)
  }

  /** Sends the headers of a stream of messages. */
  begin(): void {
    this.#isResponding = true
    this.stream.respond(RESPONSE_HEADERS, WITH_TRAILERS)
    this.stream.on('wantTrailers', () => this.#sendTrailers())
  }

  /** One message of a stream; false when the reader is slow. */
  send(frame: Uint8Array): boolean {
    this.#context.observer.messageSent(this.method, frame.length)
    return this.stream.write(frame)
  }

  /** Ends the call with a status, before or after messages. */
  end(status: Status): void {
    if (this.#isFinished) return
    if (!this.#isGone()) {
      if (this.#isResponding) this.#endStream(status)
      else
        this.stream.respond(
          {
            ...RESPONSE_HEADERS,
            'grpc-status': `${status.code}`,
            'grpc-message': encodeStatusMessage(status.message),
          },
          { endStream: true },
        )
    }
    this.#finish(status)
  }

  /** The stream is closed: by us, by the client, or with its connection. */
  closed(): void {
    this.#finish({ code: STATUS.Canceled, message: '' })
  }

  #endStream(status: Status): void {
    this.#status = status
    this.stream.end()
    const force = this.#context.clock.after(END_LIMIT_MS, () => this.stream.close(constants.NGHTTP2_CANCEL))
    this.stream.once('close', () => force[Symbol.dispose]())
  }

  #sendTrailers(): void {
    if (this.#isGone()) return
    const { code, message } = this.#status
    this.stream.sendTrailers(
      code === STATUS.OK
        ? OK_TRAILERS
        : { 'grpc-status': `${code}`, 'grpc-message': encodeStatusMessage(message) },
    )
  }

  #isGone(): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  #finish({ code, message }: Status): void {
    if (this.#isFinished) return
    this.#isFinished = true
    const { clock, observer } = this.#context
    observer.finished({
      method: this.method,
      code,
      message,
      duration: clock.now() - this.startedAt,
      throttled: this.throttled,
      address: this.address,
      clusterId: this.request?.clusterId,
      affiliateId: this.request?.affiliateId || undefined,
      clientVersion: this.clientVersion,
    })
  }
}
