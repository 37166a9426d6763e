import { once } from 'node:events'
import { createServer, type Http2Server, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { ServiceEndpoint } from '../../kubespan/model/service-endpoint.ts'

/** Length-prefixed, as gRPC has it. */
export function framed(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(isCompressed ? 1 : 0, 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Answers a unary call well. */
export function answer(stream: ServerHttp2Stream, message: Uint8Array = Buffer.alloc(0)): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(framed(message))
}

/** A discovery service made of HTTP/2 itself, that says whatever the test tells it to. Hello and updates are answered well by default. */
export class RawService implements AsyncDisposable {
  readonly calls: string[] = []
  readonly #server: Http2Server
  readonly #sessions = new Set<Http2Session>()

  private constructor(server: Http2Server) {
    this.#server = server
  }

  static async listen(
    answers: Readonly<Record<string, (stream: ServerHttp2Stream) => void>>,
    host = '127.0.0.1',
    port = 0,
  ): Promise<RawService> {
    const server = createServer()
    const service = new RawService(server)
    server.on('session', (session) => {
      service.#sessions.add(session)
      session.on('error', () => {})
      session.on('close', () => service.#sessions.delete(session))
    })
    server.on('stream', (stream, headers) => {
      const method = String(headers[':path']).split('/').at(-1) ?? ''
      service.calls.push(method)
      stream.on('error', () => {})
      stream.resume()
      const say = answers[method] ?? answer
      say(stream)
    })
    server.listen(port, host)
    await once(server, 'listening')
    return service
  }

  get endpoint(): ServiceEndpoint {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port, plaintext: true }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
