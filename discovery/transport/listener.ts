import { X509Certificate } from 'node:crypto'
import type { Server as Http1Server } from 'node:http'
import {
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, createServer as createNetServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, Server as TlsServer } from 'node:tls'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import { answerRequest, type HttpHandler, REQUEST_HEAD_TIMEOUT_MS } from '../../shared/http.ts'
import type { ListenAddress } from '../../shared/net/listen-address.ts'
import { createServer as createHttp1Server } from '../../shared/node-http.ts'
import { FILE_POLL_MS, WatchedFiles } from '../../shared/watched-files.ts'
import { type CertificatePair, checkPair, secureContextOptions, tlsOptions } from './certificate.ts'
import { Deadlines } from './deadlines.ts'
import { HTTP2_SETTINGS } from './grpc.ts'
import { Liveness, type LivenessOptions } from './liveness.ts'
import { answerStream } from './page-stream.ts'
import { type Protocol, sniffProtocol } from './preface.ts'

/** Takes over one gRPC call. `rawHeaders` are names and values in turn, as they came. */
export type CallHandler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void

/** What is worth telling about connections. None of it stops the listener. */
export interface ListenerReports {
  readonly certificateReloaded: () => void
  readonly certificateKept: (error: unknown) => void
  readonly failed: (error: unknown) => void
}

export interface ListenerOptions {
  readonly at: ListenAddress
  /** PEM files; without them connections are in plaintext. */
  readonly certificate: { readonly certPath: string; readonly keyPath: string } | undefined
  readonly onCall: CallHandler
  readonly pages: HttpHandler
  readonly clock: Clock
  readonly reports: ListenerReports
  readonly liveness: LivenessOptions
  /** A connection that has not said what it wants by then is closed. */
  readonly headTimeout?: Milliseconds
  readonly certificatePoll?: Milliseconds
}

/** A cluster that comes back after an outage connects at once. */
const LISTEN_BACKLOG = 4096

interface Connection {
  session: ServerHttp2Session | undefined
  isAsking: boolean
}

/**
 * One port for everything: gRPC over HTTP/2, pages over HTTP/1.1 and HTTP/2, with TLS or without. It accepts, finds
 * out which protocol is spoken, and hands the socket to Node's own servers, which never listen themselves.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions
  readonly #front: Server | TlsServer
  readonly #http1: Http1Server
  readonly #http2: Http2Server
  readonly #certificate: WatchedFiles<CertificatePair> | undefined
  readonly #liveness: Liveness
  /** By when clients must have said what they want. */
  readonly #deadlines: Deadlines<Socket>
  readonly #connections = new Map<Socket, Connection>()
  /** Under TLS: what carries the connections, from before the handshake on. */
  readonly #carriers = new Set<Socket>()
  /** The socket that is being made into a session at this moment. */
  #handedOver: Socket | undefined
  #emptied: (() => void) | undefined

  private constructor(options: ListenerOptions, certificate: WatchedFiles<CertificatePair> | undefined) {
    this.#options = options
    this.#certificate = certificate
    this.#liveness = new Liveness(options.clock, options.liveness)
    this.#deadlines = new Deadlines(options.clock, headTimeoutOf(options), (socket) => this.#judge(socket))
    this.#http1 = this.#makeHttp1()
    this.#http2 = this.#makeHttp2()
    if (certificate === undefined) this.#front = createNetServer((socket) => this.#accept(socket))
    else {
      this.#front = createTlsServer(tlsOptions(certificate.value, headTimeoutOf(options)))
      this.#front.on('connection', (carrier: Socket) => {
        this.#carriers.add(carrier)
        carrier.on('close', () => this.#carriers.delete(carrier))
      })
      // Node reports a handshake that took too long, and leaves the connection open.
      this.#front.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy())
      this.#front.on('secureConnection', (socket: TLSSocket) =>
        this.#accept(socket, socket.alpnProtocol ?? false),
      )
    }
  }

  /** @throws when the certificate cannot be loaded, or the address cannot be listened on. */
  static async listen(options: ListenerOptions): Promise<Listener> {
    const { at, certificate, clock, reports, certificatePoll = FILE_POLL_MS } = options
    const renew = { now: (_pair: CertificatePair): void => {} }
    const files =
      certificate &&
      (await WatchedFiles.open({
        paths: [certificate.certPath, certificate.keyPath],
        parse: checkPair,
        onChange: (pair) => renew.now(pair),
        onFailure: reports.certificateKept,
        clock,
        poll: certificatePoll,
      }))
    const listener = new Listener(options, files)
    renew.now = (pair) => listener.#renew(pair)
    try {
      await listener.#listen(at)
    } catch (error) {
      await files?.[Symbol.asyncDispose]()
      throw error
    }
    return listener
  }

  /** The port that was given, or found when 0 was asked for; 0 for a unix socket. */
  get port(): number {
    const address = this.#front.address() as AddressInfo | string | null
    return address === null || typeof address === 'string' ? 0 : address.port
  }

  /** Open connections, whatever they speak. */
  get connections(): number {
    return this.#connections.size
  }

  /** Connections that were closed because their clients did not answer a ping. */
  get lostConnections(): number {
    return this.#liveness.lost
  }

  /** Whether the certificate that is shown is for this host or address; false without TLS. */
  isCertifiedFor(host: string): boolean {
    const certificate = this.#certificate && new X509Certificate(this.#certificate.value.cert)
    return (certificate?.checkHost(host) ?? certificate?.checkIP(host)) !== undefined
  }

  /** Accepts no more, lets calls and answers in flight end for at most `grace`, then closes what is left. */
  async close(grace: Milliseconds): Promise<void> {
    const closed = new Promise<void>((done) => this.#front.close(() => done()))
    for (const [socket, { session, isAsking }] of this.#connections)
      if (session !== undefined) session.close()
      else if (!isAsking) socket.destroy()
    if (this.#connections.size > 0) {
      const emptied = Promise.withResolvers<void>()
      this.#emptied = emptied.resolve
      using _force = this.#options.clock.after(grace, () => this.#destroyAll())
      await emptied.promise
    }
    this.#liveness[Symbol.dispose]()
    this.#deadlines[Symbol.dispose]()
    for (const carrier of this.#carriers) carrier.destroy() // handshakes that never ended
    await Promise.all([closed, this.#certificate?.[Symbol.asyncDispose]()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#front.listening) await this.close(0)
  }

  #destroyAll(): void {
    for (const [socket, { session }] of this.#connections) {
      session?.destroy()
      socket.destroy()
    }
    for (const carrier of this.#carriers) carrier.destroy()
  }

  #listen(at: ListenAddress): Promise<void> {
    return new Promise((done, failed) => {
      this.#front.once('error', failed)
      this.#front.listen(
        { ...('path' in at ? at : { port: at.port, host: at.host }), backlog: LISTEN_BACKLOG },
        () => {
          this.#front.removeListener('error', failed)
          this.#front.on('error', (error) => this.#options.reports.failed(error))
          done()
        },
      )
    })
  }

  #renew(pair: CertificatePair): void {
    if (this.#front instanceof TlsServer) this.#front.setSecureContext(secureContextOptions(pair))
    this.#options.reports.certificateReloaded()
  }

  /** `alpnProtocol` is what TLS agreed on; undefined without TLS. */
  #accept(socket: Socket, alpnProtocol?: string | false): void {
    this.#deadlines.add(socket)
    this.#connections.set(socket, { session: undefined, isAsking: false })
    socket.on('error', ignore)
    socket.on('close', () => {
      this.#deadlines.remove(socket)
      const session = this.#connections.get(socket)?.session
      if (session !== undefined) this.#liveness.remove(session)
      this.#connections.delete(socket)
      if (this.#connections.size === 0) this.#emptied?.()
    })
    const speak = (protocol: Protocol): void => {
      if (socket.destroyed) return
      if (protocol === 'http/2') this.#speakHttp2(socket)
      else this.#speakHttp1(socket)
    }
    if (alpnProtocol === undefined) sniffProtocol(socket, speak)
    else speak(alpnProtocol === 'h2' ? 'http/2' : 'http/1.1')
  }

  #speakHttp1(socket: Socket): void {
    this.#http1.emit('connection', socket)
    socket.resume()
  }

  #speakHttp2(socket: Socket): void {
    // The session is made, and told of, before `emit` returns.
    this.#handedOver = socket
    this.#http2.emit('connection', socket)
    this.#handedOver = undefined
  }

  #begun(session: ServerHttp2Session): void {
    const socket = this.#handedOver
    if (socket === undefined) return
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.session = session
    this.#liveness.add(session, socket)
  }

  /** Its time is over: who speaks HTTP/2 has confirmed our settings by now. To listen for that would cost every connection. */
  #judge(socket: Socket): void {
    const session = this.#connections.get(socket)?.session
    if (session === undefined || session.pendingSettingsAck) socket.destroy()
  }

  #makeHttp2(): Http2Server {
    const { onCall, pages, reports } = this.#options
    const server = createHttp2Server({ settings: HTTP2_SETTINGS })
    server.on('session', (session) => this.#begun(session))
    server.on('sessionError', ignore)
    server.on('stream', (stream, headers, flags, rawHeaders) => {
      stream.on('error', ignore)
      // Node tells of a stream a tick late: its client, or a fault of the connection, may have ended it by then.
      if (stream.destroyed || stream.closed) return
      if (headers['content-type']?.includes('application/grpc') === true)
        onCall(stream, headers, flags, rawHeaders)
      else void answerStream(pages, stream, headers, reports.failed)
    })
    return server
  }

  #makeHttp1(): Http1Server {
    const { pages, reports } = this.#options
    return createHttp1Server((request, response) => {
      const connection = this.#connections.get(request.socket)
      if (connection !== undefined) connection.isAsking = true
      this.#deadlines.remove(request.socket)
      response.shouldKeepAlive = false // one request each, so that the deadline above covers every request head
      void answerRequest(pages, request, response, reports.failed)
    })
  }
}

const ignore = (): void => {}

const headTimeoutOf = ({ headTimeout = REQUEST_HEAD_TIMEOUT_MS }: ListenerOptions): Milliseconds =>
  headTimeout
