import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { within } from '../../../shared/waiting.ts'
import { ApiError } from './api.ts'
import type { Connection, Credentials } from './credentials.ts'

/** SPEC 5. */
export const CONNECT_LIMIT: Milliseconds = 15_000
/** To the head of the answer, and for a small answer to its end. */
export const ANSWER_LIMIT: Milliseconds = 30_000
const BODY_MAX_BYTES = 256 * 1024 * 1024
const TCP_KEEPALIVE: Milliseconds = 30_000

export interface Call {
  readonly method?: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: { readonly type: string; readonly value: unknown }
  readonly signal: AbortSignal
}

export interface Answer {
  readonly response: IncomingMessage
  /** Of the connection that it came over. */
  readonly serverTag: string
}

export interface CallerOptions {
  readonly credentials: Credentials
  readonly clock: Clock
  readonly userAgent: string
}

/** Single requests to the API server, each with the credentials of its moment. */
export class Caller {
  readonly #options: CallerOptions

  constructor(options: CallerOptions) {
    this.#options = options
  }

  async json(call: Call): Promise<unknown> {
    return await within(this.#options.clock, ANSWER_LIMIT, call.signal, 'the API server', async (signal) => {
      const { response } = await this.send({ ...call, signal })
      return JSON.parse(await readBody(response))
    })
  }

  /** The answer once its head is there and says that all is well. Throws ApiError otherwise. */
  async send(call: Call): Promise<Answer> {
    const { credentials } = this.#options
    const connection = await credentials.connection()
    const response = await this.#open(connection, call)
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return { response, serverTag: connection.serverTag }
    if (statusCode === 401) credentials.distrust()
    throw toError(statusCode, await readBody(response), response.headers['retry-after'])
  }

  #open(
    { server, agent, headers, via }: Connection,
    { method = 'GET', path, query, body, signal }: Call,
  ): Promise<IncomingMessage> {
    const { clock, userAgent } = this.#options
    const url = new URL(server)
    // A server may live under a path of a proxy.
    url.pathname = url.pathname.replace(/\/$/, '') + path
    url.search = new URLSearchParams(query).toString()
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body.value))
    const options: RequestOptions = {
      method,
      agent,
      signal,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': userAgent,
        ...(content && { 'content-type': body?.type, 'content-length': content.length }),
      },
    }
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? requestTls : requestPlain)(url, options)
      const limit = (delay: Milliseconds, what: string): Disposable =>
        clock.after(delay, () =>
          request.destroy(new Error(`no ${what} from ${via.host} within ${delay / 1000} s`)),
        )
      const connecting = limit(CONNECT_LIMIT, 'connection')
      const answering = limit(ANSWER_LIMIT, 'answer')
      request.on('socket', (socket) =>
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () =>
          connecting[Symbol.dispose](),
        ),
      )
      const decided = (): void => {
        connecting[Symbol.dispose]()
        answering[Symbol.dispose]()
      }
      request.on('response', (response) => {
        decided()
        resolve(response)
      })
      request.on('error', reject)
      request.on('close', decided)
      request.setSocketKeepAlive(true, TCP_KEEPALIVE)
      request.end(content)
    })
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > BODY_MAX_BYTES) throw new Error('the answer of the API server has no end')
  }
  return Buffer.concat(chunks).toString('utf8')
}

interface RawStatus {
  readonly code?: number
  readonly message?: string
}

/** The text of the API server, which names what is not allowed and to whom. */
function toError(status: number, body: string, retryAfter: string | undefined): ApiError {
  let message = ''
  try {
    message = (JSON.parse(body) as RawStatus).message ?? ''
  } catch {
    // Not from the API server itself: a proxy, or a load balancer with nobody behind it.
  }
  const seconds = Number(retryAfter)
  return new ApiError(
    status,
    `HTTP ${status}${message === '' ? '' : `: ${message.slice(0, 300)}`}`,
    seconds > 0 ? seconds * 1000 : undefined,
  )
}
