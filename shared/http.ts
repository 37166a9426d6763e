import { chmod, lstat, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { Milliseconds } from './clock.ts'
import { limitConnections } from './connection-limit.ts'
import type { ListenAddress } from './net/listen-address.ts'
import { createServer } from './node-http.ts'

/** What is asked, without the body: nothing here reads one. */
export interface HttpQuestion {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A body in pieces is made while the reader takes it, so that slow readers hold no memory. */
  readonly body: string | Iterable<string>
}

export type HttpHandler = (question: HttpQuestion) => HttpAnswer | Promise<HttpAnswer>

/** Nobody needs longer to send the head of a request. */
export const REQUEST_HEAD_TIMEOUT_MS = 10_000
/** A reader that takes nothing for so long is gone. */
export const ANSWER_STALL_TIMEOUT_MS = 30_000
/** Answers in flight at shutdown get so long. */
const CLOSE_GRACE_MS = 1000

export const plainAnswer = (status: number, text: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: `${text}\n`,
})

export const jsonAnswer = (status: number, value: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: `${JSON.stringify(value)}\n`,
})

/** `target` is the request target as it came; one that is no path at all becomes the empty path, which nobody serves. */
export function questionOf(
  method: string,
  target: string,
  authorization: string | undefined = undefined,
): HttpQuestion {
  const url = target.startsWith('/') ? URL.parse(`http://host${target}`) : null
  return {
    method,
    path: url?.pathname ?? '',
    query: url?.searchParams ?? new URLSearchParams(),
    authorization,
  }
}

/** Asks the handler; one that fails is a 500 whose text says nothing about the inside. */
export async function askHandler(
  handler: HttpHandler,
  question: HttpQuestion,
  onFailure: (error: unknown) => void,
): Promise<HttpAnswer> {
  try {
    return await handler(question)
  } catch (error) {
    onFailure(error)
    return plainAnswer(500, 'internal error')
  }
}

export const bodyStream = (body: string | Iterable<string>): Readable =>
  Readable.from(typeof body === 'string' ? [body] : body, { objectMode: false, highWaterMark: 65_536 })

/** Answers one HTTP/1.1 request. */
export async function answerRequest(
  handler: HttpHandler,
  request: IncomingMessage,
  response: ServerResponse,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const { method = 'GET', url = '' } = request
  const question = questionOf(method, url, request.headers.authorization)
  const { status, headers, body } = await askHandler(handler, question, onFailure)
  response.setTimeout(ANSWER_STALL_TIMEOUT_MS, () => response.destroy())
  if (typeof body === 'string')
    response
      .writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
      .end(method === 'HEAD' ? undefined : body)
  else {
    response.writeHead(status, headers)
    if (method === 'HEAD') response.end()
    else
      bodyStream(body)
        .once('error', (error) => {
          onFailure(error)
          response.destroy()
        })
        .pipe(response)
  }
}

/** A plain HTTP/1.1 server for pages, metrics and the like. */
export class HttpListener implements AsyncDisposable {
  readonly #server: Server
  readonly #at: ListenAddress

  private constructor(server: Server, at: ListenAddress) {
    this.#server = server
    this.#at = at
  }

  /**
   * A unix socket is made anew with mode 0600. By default any number of connections is kept.
   * @throws the error of the listening socket, e.g. EADDRINUSE.
   */
  static async listen(
    at: ListenAddress,
    handler: HttpHandler,
    onFailure: (error: unknown) => void,
    headTimeout: Milliseconds = REQUEST_HEAD_TIMEOUT_MS,
    connectionsMax?: number,
  ): Promise<HttpListener> {
    const server = createServer(
      {
        headersTimeout: headTimeout,
        requestTimeout: headTimeout,
        connectionsCheckingInterval: headTimeout / 2,
      },
      (request, response) => void answerRequest(handler, request, response, onFailure),
    )
    if (connectionsMax !== undefined) limitConnections(server, connectionsMax)
    if ('path' in at) await removeStaleSocket(at.path)
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen('path' in at ? { path: at.path } : { port: at.port, host: at.host }, () => {
        server.removeListener('error', failed)
        done()
      })
    })
    if ('path' in at) await chmod(at.path, 0o600)
    return new HttpListener(server, at)
  }

  /** The port that was given, or found when 0 was asked for; 0 for a unix socket. */
  get port(): number {
    return 'path' in this.#at ? 0 : (this.#server.address() as AddressInfo).port
  }

  /** Answers in flight are finished, connections that only wait are closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const force = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS)
    await new Promise<void>((done) => {
      this.#server.close(() => done())
      this.#server.closeIdleConnections()
    })
    clearTimeout(force)
  }
}

/** What a process that was killed left behind; anything else at that path stays, and listening fails. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() === true) await rm(path, { force: true })
}
