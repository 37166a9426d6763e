import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import { FRAME_HEAD_BYTES } from './frames.ts'
import { type CallProof, PROOF_HEADER } from './members.ts'
import { INCOMPLETE, isWholeMessage, MessageAssembler } from './message-reader.ts'
import type { MessageRoom } from './message-room.ts'
import type { CallObserver, FinishedCall, MethodName } from './observe.ts'
import { refuseRest } from './refuse-rest.ts'
import { OK, STATUS, type Status, type StatusCode, statusTrailers } from './status.ts'

/** Names and values in turn: Node sends them as they are, which is cheaper than an object. */
const RESPONSE_HEADERS: readonly string[] = [':status', '200', 'content-type', 'application/grpc']
/** Not in the types of Node: without it every answer carries the date. */
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false }
const WITHOUT_MESSAGE = { endStream: true, sendDate: false }
const OK_TRAILERS = statusTrailers(OK)
/** A stream that was ended with messages in it that nobody reads is cut off after this. */
const END_LIMIT_MS: Milliseconds = 5_000

const CALL = Symbol('call')
type CallStream = ServerHttp2Stream & { [CALL]: Call }

/** What a call needs of those around it. */
export interface CallServer {
  readonly clock: Clock
  readonly observer: CallObserver
  readonly room: MessageRoom
  /** The message of the call lies in `bytes` from `start` to the end. */
  received(call: Call, bytes: Buffer, start: number): void
}

/**
 * One call on its stream: reads the one message, answers once, and tells the observer once how it ended. There is one
 * for each request, so it makes no closures: its stream points at it, and the listeners are shared by all.
 */
export class Call implements FinishedCall {
  readonly stream: ServerHttp2Stream
  readonly method: MethodName
  readonly address: Address | undefined
  readonly startedAt: Instant
  /** Infinity when the client set none. */
  readonly timeout: Milliseconds
  code: StatusCode = STATUS.OK
  message = ''
  duration: Milliseconds = 0
  throttled: Milliseconds = 0
  /** Whether its turn has come, and with it its message. */
  isReading = false
  clusterId: string | undefined
  affiliateId: string | undefined
  clientVersion: string | undefined
  proof: CallProof | undefined
  proofProblem: string | undefined
  /** What is said of the proof. */
  proofAnswer: string | undefined
  /** Called when the stream has closed, however that came. */
  onClosed: (() => void) | undefined
  readonly #server: CallServer
  #assembler: MessageAssembler | undefined
  #isRead = false
  #hasBegun = false
  #isFinished = false

  constructor(
    server: CallServer,
    stream: ServerHttp2Stream,
    method: MethodName,
    address: Address | undefined,
    timeout: Milliseconds,
  ) {
    this.#server = server
    this.stream = stream
    this.method = method
    this.address = address
    this.timeout = timeout
    this.startedAt = server.clock.now()
    ;(stream as CallStream)[CALL] = this
    server.observer.started(method)
  }

  /** Whether it was answered, or cancelled. */
  get isFinished(): boolean {
    return this.#isFinished
  }

  /** Whether its message is complete, or will never be. */
  get isRead(): boolean {
    return this.#isRead
  }

  get canSend(): boolean {
    return !this.stream.destroyed && !this.stream.closed
  }

  /** Infinity when there is no deadline. */
  get timeLeft(): Milliseconds {
    return this.timeout - (this.#server.clock.now() - this.startedAt)
  }

  /**
   * Begins to read. Before, the client may send no more than the flow-control window holds. Nearly every message comes
   * with its headers and is answered on the spot; who reads must call `attend` for those that are not.
   */
  read(): void {
    this.isReading = true
    this.stream.on('data', onData)
  }

  /** Looks out for the end of a call that was not answered on the spot. */
  attend(): void {
    const { stream } = this
    if (stream.destroyed) return this.closed()
    stream.on('close', onClose)
    if (this.#isRead) return
    if (stream.readableEnded) this.ended()
    else stream.on('end', onEnd)
  }

  /** Answers a unary call. */
  answer(frame: Uint8Array): void {
    if (this.#isFinished || !this.canSend) return
    this.begin()
    this.#server.observer.messageSent(this.method, frame.length)
    this.stream.end(frame)
    this.#finish(OK)
  }

  /** Sends the headers of an answer that has messages. */
  begin(): void {
    this.#hasBegun = true
    const headers =
      this.proofAnswer === undefined
        ? RESPONSE_HEADERS
        : [...RESPONSE_HEADERS, PROOF_HEADER, this.proofAnswer]
    this.stream.respond(headers, WITH_TRAILERS)
    this.stream.on('wantTrailers', onWantTrailers)
  }

  /** One message of a stream; false when the reader is slow. */
  send(frame: Uint8Array): boolean {
    this.#server.observer.messageSent(this.method, frame.length)
    return this.stream.write(frame)
  }

  /** Ends the call with a status, before or after messages. */
  end(status: Status): void {
    if (this.#isFinished) return
    this.#finish(status)
    if (!this.canSend) return
    if (this.#hasBegun) this.#endMessages()
    else this.#endWithoutMessages(status)
  }

  /** Some bytes of the request. */
  took(chunk: Buffer): void {
    if (this.#isRead || this.#isFinished) return
    if (this.#assembler === undefined && isWholeMessage(chunk)) {
      this.#isRead = true
      this.#server.received(this, chunk, FRAME_HEAD_BYTES)
      return
    }
    this.#assembler ??= new MessageAssembler(this.#server.room)
    const taken = this.#assembler.take(chunk)
    if (taken === undefined) return
    this.#isRead = true
    if ('code' in taken) this.end(taken)
    else this.#server.received(this, taken, 0)
    this.#assembler.release()
  }

  /** The client will send no more. */
  ended(): void {
    if (this.#isRead) return
    this.#isRead = true
    this.end(INCOMPLETE)
  }

  closed(): void {
    if (!this.#isFinished) this.#finish({ code: STATUS.Canceled, message: '' })
    this.onClosed?.()
  }

  trailers(): Record<string, string> {
    return this.code === STATUS.OK ? OK_TRAILERS : statusTrailers(this)
  }

  #endMessages(): void {
    const { stream } = this
    stream.end()
    const force = this.#server.clock.after(END_LIMIT_MS, () => stream.close(constants.NGHTTP2_CANCEL))
    stream.once('close', () => force[Symbol.dispose]())
  }

  #endWithoutMessages(status: Status): void {
    const { stream } = this
    stream.respond([...RESPONSE_HEADERS, ...Object.entries(statusTrailers(status)).flat()], WITHOUT_MESSAGE)
    refuseRest(stream)
  }

  #finish({ code, message }: Status): void {
    this.#isFinished = true
    this.#assembler?.release()
    this.code = code
    this.message = message
    this.duration = this.#server.clock.now() - this.startedAt
    this.#server.observer.finished(this)
  }
}

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  ;(this as CallStream)[CALL].took(chunk)
}

function onEnd(this: ServerHttp2Stream): void {
  ;(this as CallStream)[CALL].ended()
}

function onClose(this: ServerHttp2Stream): void {
  ;(this as CallStream)[CALL].closed()
}

function onWantTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers((this as CallStream)[CALL].trailers())
}
