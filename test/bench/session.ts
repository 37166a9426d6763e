import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'

const PATH = '/sidero.discovery.server.Cluster/'
const HEAD_BYTES = 5
const GENEROUS_WINDOW_BYTES = 1 << 20

/** How a unary call ended. */
export interface Answer {
  /** Of gRPC; undefined when the call was cut off. */
  readonly status: string | undefined
  readonly words: string
  /** The message, without its head. */
  readonly message: Buffer
}

export interface Watch {
  readonly stream: ClientHttp2Stream
  /** Resolves with the status when the call has ended, however that came. */
  readonly ended: Promise<string | undefined>
}

/** A client of the discovery service with nothing between it and node:http2, so that thousands fit in one process. */
export class Session implements Disposable {
  readonly #session: ClientHttp2Session
  #isLost = false

  private constructor(session: ClientHttp2Session) {
    this.#session = session
    session.on('error', () => {
      this.#isLost = true
    })
    session.once('close', () => {
      this.#isLost = true
    })
  }

  /** @throws when nobody answers there. The certificate of a server is not verified. */
  static async connect(endpoint: string, isTls = false): Promise<Session> {
    const inner = connect(`${isTls ? 'https' : 'http'}://${endpoint}`, {
      rejectUnauthorized: false,
      settings: { enablePush: false, initialWindowSize: GENEROUS_WINDOW_BYTES },
    })
    await once(inner, 'connect')
    return new Session(inner)
  }

  get isLost(): boolean {
    return this.#isLost || this.#session.destroyed
  }

  /** `address` is what the service shall take for the client's. */
  call(method: string, frame: Uint8Array, address: string): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const stream = this.#open(method, address)
    const chunks: Buffer[] = []
    const said: { status?: string; words?: string } = {}
    noteStatus(stream, said)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('close', () =>
      resolve({
        status: said.status,
        words: said.words ?? '',
        message: Buffer.concat(chunks).subarray(HEAD_BYTES),
      }),
    )
    stream.end(frame)
    return promise
  }

  watch(frame: Uint8Array, address: string, onMessage: (message: Buffer) => void): Watch {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const stream = this.#open('Watch', address)
    const said: { status?: string } = {}
    noteStatus(stream, said)
    let rest: Buffer = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      while (rest.length >= HEAD_BYTES) {
        const end = HEAD_BYTES + rest.readUInt32BE(1)
        if (rest.length < end) return
        onMessage(rest.subarray(HEAD_BYTES, end))
        rest = rest.subarray(end)
      }
    })
    stream.once('close', () => resolve(said.status))
    stream.end(frame)
    return { stream, ended: promise }
  }

  [Symbol.dispose](): void {
    this.#session.destroy()
  }

  #open(method: string, address: string): ClientHttp2Stream {
    const headers: OutgoingHttpHeaders = {
      ':method': 'POST',
      ':path': PATH + method,
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-real-ip': address,
    }
    const stream = this.#session.request(headers)
    stream.on('error', () => {})
    return stream
  }
}

function noteStatus(stream: ClientHttp2Stream, said: { status?: string; words?: string }): void {
  const note = (headers: IncomingHttpHeaders): void => {
    const status = headers['grpc-status']
    if (status === undefined) return
    said.status = String(status)
    said.words = decodeURIComponent(String(headers['grpc-message'] ?? ''))
  }
  stream.on('response', note)
  stream.on('trailers', note)
}

/** `10.x.y.z`, another one for each number, so that the rate of one address limits nothing. */
export const addressOf = (index: number): string =>
  `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`
