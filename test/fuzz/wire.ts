import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { HTTP2_PREFACE } from '../../discovery/transport/preface.ts'

/** The frame types of RFC 9113. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4 } as const

export function http2Frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = NOTHING,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

const NOTHING = new Uint8Array(0)

/** SETTINGS_INITIAL_WINDOW_SIZE. */
export const windowSettings = (bytes: number): Buffer => {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(4)
  payload.writeUInt32BE(bytes, 2)
  return http2Frame(FRAME.SETTINGS, 0, 0, payload)
}

/** Both are literals without indexing and without Huffman's code (RFC 7541, 6.2.2). */
export function headerField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), headerText(name), headerText(value)])
}

function headerText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const length: number[] = []
  if (bytes.length < 127) length.push(bytes.length)
  else {
    length.push(127)
    let rest = bytes.length - 127
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128)
    length.push(rest)
  }
  return Buffer.concat([Buffer.from(length), bytes])
}

export const callHeaders = (method: string, more: Readonly<Record<string, string>> = {}): Buffer =>
  Buffer.concat(
    Object.entries({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': `/sidero.discovery.server.Cluster/${method}`,
      ':authority': 'localhost',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...more,
    }).map(([name, value]) => headerField(name, value)),
  )

export const RESET = Buffer.of(0, 0, 0, 8) // CANCEL

/** What a client says before anything else. */
export const GREETING: Buffer = Buffer.concat([HTTP2_PREFACE, http2Frame(FRAME.SETTINGS, 0, 0)])

/** A connection made by hand; it ends as the server likes, and nothing of that is an error. */
export class Wire implements Disposable {
  readonly socket: Socket
  isClosed = false
  #received = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.once('close', () => {
      this.isClosed = true
    })
    socket.on('data', (chunk) => {
      this.#received += chunk.length
    })
  }

  static async connect(endpoint: string): Promise<Wire> {
    const [host, port] = endpoint.split(':')
    const socket = connect(Number(port), host)
    await once(socket, 'connect')
    return new Wire(socket)
  }

  get received(): number {
    return this.#received
  }

  /** Waits while the server takes nothing, for a while. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed || this.socket.write(bytes)) return
    await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close'), sleep(1000)]).catch(() => {})
  }

  /** False when the server did not close it in this time. */
  async closedWithin(milliseconds: number): Promise<boolean> {
    for (const until = performance.now() + milliseconds; !this.isClosed && performance.now() < until; )
      await sleep(50)
    return this.isClosed
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
