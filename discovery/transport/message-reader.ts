import type { ServerHttp2Stream } from 'node:http2'
import { FRAME_HEAD_BYTES } from './frames.ts'
import { STATUS, type Status } from './status.ts'

/** grpc's own default for a request. */
export const REQUEST_MAX_BYTES = 4 << 20

const COMPRESSED: Status = { code: STATUS.Unimplemented, message: 'compressed messages are not supported' }
const TOO_LARGE: Status = {
  code: STATUS.ResourceExhausted,
  message: `a request may have ${REQUEST_MAX_BYTES} bytes`,
}
const INCOMPLETE: Status = {
  code: STATUS.Internal,
  message: 'the request ended before its message was complete',
}
const SURPLUS: Status = { code: STATUS.Internal, message: 'a call takes one message' }

/**
 * Reads the one message of a call and hands it over as soon as it is complete, without waiting for the end of the
 * stream. Nothing is read before `release`: a call that waits for its turn holds no more than the flow-control window
 * lets in.
 */
export class MessageReader {
  readonly #stream: ServerHttp2Stream
  readonly #onMessage: (message: Uint8Array) => void
  readonly #onFailure: (status: Status) => void
  #bytes: Buffer | undefined
  #isEnded = false
  #isDone = false

  constructor(
    stream: ServerHttp2Stream,
    onMessage: (message: Uint8Array) => void,
    onFailure: (status: Status) => void,
  ) {
    this.#stream = stream
    this.#onMessage = onMessage
    this.#onFailure = onFailure
  }

  /** Begins to read. */
  release(): void {
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#stream.on('end', () => {
      this.#isEnded = true
      this.#try()
    })
  }

  #take(chunk: Buffer): void {
    if (this.#isDone) return
    this.#bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk])
    this.#try()
  }

  #try(): void {
    if (this.#isDone) return
    const bytes = this.#bytes
    if (bytes !== undefined && bytes.length >= FRAME_HEAD_BYTES) {
      if (bytes[0] !== 0) return this.#fail(COMPRESSED)
      const length = bytes.readUInt32BE(1)
      if (length > REQUEST_MAX_BYTES) return this.#fail(TOO_LARGE)
      const end = FRAME_HEAD_BYTES + length
      if (bytes.length > end) return this.#fail(SURPLUS)
      if (bytes.length === end) {
        this.#isDone = true
        this.#bytes = undefined
        return this.#onMessage(bytes.subarray(FRAME_HEAD_BYTES, end))
      }
    }
    if (this.#isEnded) this.#fail(INCOMPLETE)
  }

  #fail(status: Status): void {
    this.#isDone = true
    this.#bytes = undefined
    this.#onFailure(status)
  }
}
