import type { ServerHttp2Stream } from 'node:http2'
import { FRAME_HEAD_BYTES } from './frames.ts'
import { STATUS, type Status } from './status.ts'

/** gRPC's own default for a request. */
export const REQUEST_MAX_BYTES = 4 << 20

const COMPRESSED: Status = { code: STATUS.Unimplemented, message: 'compressed messages are not supported' }
const TOO_LARGE: Status = {
  code: STATUS.ResourceExhausted,
  message: `a request may have at most ${REQUEST_MAX_BYTES} bytes`,
}
const SURPLUS: Status = { code: STATUS.Internal, message: 'a call takes one message' }
export const INCOMPLETE: Status = {
  code: STATUS.Internal,
  message: 'the request ended before its message was complete',
}

/** Puts the one message of a call together from what the stream delivers. */
export class MessageAssembler {
  #chunks: Buffer[] = []
  #size = 0
  /** Of head and message; known once the head is there. */
  #needed = FRAME_HEAD_BYTES
  #isHeadKnown = false

  /** The message when it is complete, a status when there cannot be one, undefined while there is more to come. */
  take(chunk: Buffer): Buffer | Status | undefined {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return undefined
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#chunks = [bytes]
    if (!this.#isHeadKnown) {
      if (bytes[0] !== 0) return COMPRESSED
      const length = bytes.readUInt32BE(1)
      if (length > REQUEST_MAX_BYTES) return TOO_LARGE
      this.#needed += length
      this.#isHeadKnown = true
    }
    if (this.#size > this.#needed) return SURPLUS
    return this.#size === this.#needed ? bytes.subarray(FRAME_HEAD_BYTES) : undefined
  }
}

/** Whether these bytes are exactly one message, uncompressed: how nearly every request arrives. */
export const isWholeMessage = (bytes: Buffer): boolean =>
  bytes.length >= FRAME_HEAD_BYTES &&
  bytes[0] === 0 &&
  bytes.readUInt32BE(1) === bytes.length - FRAME_HEAD_BYTES &&
  bytes.length <= REQUEST_MAX_BYTES + FRAME_HEAD_BYTES

/** Reads the one message of a call from its stream and hands it over as soon as it is complete. */
export class MessageReader {
  readonly #stream: ServerHttp2Stream
  readonly #onMessage: (message: Uint8Array) => void
  readonly #onFailure: (status: Status) => void
  readonly #assembler = new MessageAssembler()
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

  /** Begins to read; nothing is read before. */
  release(): void {
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.#isDone) return
      const taken = this.#assembler.take(chunk)
      if (taken === undefined) return
      this.#isDone = true
      if (taken instanceof Uint8Array) this.#onMessage(taken)
      else this.#onFailure(taken)
    })
    this.#stream.once('end', () => {
      if (!this.#isDone) this.#onFailure(INCOMPLETE)
      this.#isDone = true
    })
  }
}
