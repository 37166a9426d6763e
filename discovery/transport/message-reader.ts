import type { ServerHttp2Stream } from 'node:http2'
import { FRAME_HEAD_BYTES } from './frames.ts'
import type { MessageRoom } from './message-room.ts'
import { STATUS, type Status } from './status.ts'

const NOTHING: Buffer = Buffer.alloc(0)

/** gRPC's own default for a request. */
export const REQUEST_MAX_BYTES = 4 << 20

const COMPRESSED: Status = { code: STATUS.Unimplemented, message: 'compressed messages are not supported' }
const TOO_LARGE: Status = {
  code: STATUS.ResourceExhausted,
  message: `a request may have at most ${REQUEST_MAX_BYTES} bytes`,
}
const NO_ROOM: Status = {
  code: STATUS.ResourceExhausted,
  message: 'too many large requests are under way',
}
const SURPLUS: Status = { code: STATUS.Internal, message: 'a call takes one message' }
export const INCOMPLETE: Status = {
  code: STATUS.Internal,
  message: 'the request ended before its message was complete',
}

/** Of the buffer that a message grows in: few are larger. */
const FIRST_BYTES = 1024

/**
 * Puts the one message of a call together from what the stream delivers. It is copied as it comes: the pieces, which may
 * be of one byte each, would hold far more than the message.
 */
export class MessageAssembler {
  readonly #room: MessageRoom
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #size = 0
  /** Of head and message; known once the head is there. */
  #needed = FRAME_HEAD_BYTES
  #isHeadKnown = false

  constructor(room: MessageRoom) {
    this.#room = room
  }

  /** The message when it is complete, a status when there cannot be one, undefined while there is more to come. */
  take(chunk: Buffer): Buffer | Status | undefined {
    const head = this.#isHeadKnown ? 0 : Math.min(chunk.length, FRAME_HEAD_BYTES - this.#size)
    this.#add(chunk.subarray(0, head))
    if (!this.#isHeadKnown) {
      if (this.#size < FRAME_HEAD_BYTES) return undefined
      if (this.#bytes[0] !== 0) return COMPRESSED
      const length = this.#bytes.readUInt32BE(1)
      if (length > REQUEST_MAX_BYTES) return TOO_LARGE
      this.#needed += length
      this.#isHeadKnown = true
    }
    const size = this.#size + chunk.length - head
    if (size > this.#needed) return SURPLUS
    if (size > this.#bytes.length && !this.#grow(size)) return NO_ROOM
    this.#add(chunk.subarray(head))
    return this.#size === this.#needed ? this.#bytes.subarray(FRAME_HEAD_BYTES, this.#size) : undefined
  }

  /** What it holds is not needed any more. Says so as often as it likes. */
  release(): void {
    this.#room.grow(this.#bytes.length, 0)
    this.#bytes = NOTHING
    this.#size = 0
  }

  #add(piece: Buffer): void {
    piece.copy(this.#bytes, this.#size)
    this.#size += piece.length
  }

  #grow(size: number): boolean {
    const length = Math.min(this.#needed, Math.max(size, 2 * this.#bytes.length))
    if (!this.#room.grow(this.#bytes.length, length)) return false
    const bytes = Buffer.allocUnsafeSlow(length)
    this.#bytes.copy(bytes, 0, 0, this.#size)
    this.#bytes = bytes
    return true
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
  readonly #onMessage: (message: Buffer) => void
  readonly #onFailure: (status: Status) => void
  readonly #assembler: MessageAssembler
  #isDone = false

  constructor(
    stream: ServerHttp2Stream,
    onMessage: (message: Buffer) => void,
    onFailure: (status: Status) => void,
    room: MessageRoom,
  ) {
    this.#assembler = new MessageAssembler(room)
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
      if ('code' in taken) this.#onFailure(taken)
      else this.#onMessage(taken)
    })
    this.#stream.once('close', () => this.#assembler.release())
    this.#stream.once('end', () => {
      if (!this.#isDone) this.#onFailure(INCOMPLETE)
      this.#isDone = true
    })
  }
}
