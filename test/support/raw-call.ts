import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'

/** How a call ended that was made by hand. */
export interface RawOutcome {
  readonly httpStatus: number | undefined
  readonly contentType: string | undefined
  /** Of headers or trailers; undefined when neither came. */
  readonly grpcStatus: string | undefined
  /** Decoded. */
  readonly grpcMessage: string | undefined
  /** Messages without their heads. */
  readonly messages: readonly Buffer[]
  readonly rstCode: number
}

/** Calls made of HTTP/2 itself, for what a proper client would never send. */
export class RawClient implements Disposable {
  readonly session: ClientHttp2Session

  private constructor(session: ClientHttp2Session) {
    this.session = session
  }

  static async connect(endpoint: string): Promise<RawClient> {
    const session = connect(`http://${endpoint}`)
    await once(session, 'remoteSettings')
    return new RawClient(session)
  }

  /** Opens a call, and sends nothing yet but the headers. */
  open(method: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const path = method.startsWith('/') ? method : `/sidero.discovery.server.Cluster/${method}`
    return this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
  }

  /** One call with these bytes as its body. */
  call(method: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RawOutcome> {
    const stream = this.open(method, headers)
    if (!stream.writableEnded) stream.end(body) // Node ends a GET by itself
    return outcomeOf(stream)
  }

  [Symbol.dispose](): void {
    this.session.destroy()
  }
}

export async function outcomeOf(stream: ClientHttp2Stream): Promise<RawOutcome> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const chunks: Buffer[] = []
  stream.on('response', (received) => {
    headers = received
  })
  stream.on('trailers', (received) => {
    trailers = received
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  if (!stream.destroyed) await once(stream, 'close')
  const all = { ...headers, ...trailers }
  const message = all['grpc-message']
  return {
    httpStatus: headers[':status'] as number | undefined,
    contentType: headers['content-type'] as string | undefined,
    grpcStatus: all['grpc-status'] as string | undefined,
    grpcMessage: typeof message === 'string' ? decodeURIComponent(message) : undefined,
    messages: splitFrames(Buffer.concat(chunks)),
    rstCode: stream.rstCode ?? 0,
  }
}

function splitFrames(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    messages.push(bytes.subarray(at + 5, end))
    at = end
  }
  return messages
}

/** A gRPC frame around the message, uncompressed. */
export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}
