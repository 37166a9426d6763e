import { type IncomingHttpHeaders, constants as nghttp2, type ServerHttp2Stream } from 'node:http2'
import {
  ANSWER_STALL_TIMEOUT_MS,
  askHandler,
  bodyStream,
  type HttpHandler,
  questionOf,
} from '../../shared/http.ts'
import { refuseRest } from './refuse-rest.ts'

/** Answers a request for a page that came over HTTP/2. */
export async function answerStream(
  handler: HttpHandler,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  onFailure: (error: unknown) => void,
): Promise<void> {
  stream.on('error', () => {}) // a client that goes away is no news
  const method = headers[':method'] ?? 'GET'
  const question = questionOf(method, headers[':path'] ?? '', headers.authorization)
  const answer = await askHandler(handler, question, onFailure)
  if (stream.destroyed || stream.closed) return
  stream.setTimeout(ANSWER_STALL_TIMEOUT_MS, () => stream.close(nghttp2.NGHTTP2_CANCEL))
  stream.once('finish', () => refuseRest(stream))
  stream.respond({ ':status': answer.status, ...answer.headers }, { endStream: method === 'HEAD' })
  if (method === 'HEAD') return
  bodyStream(answer.body)
    .once('error', (error) => {
      onFailure(error)
      stream.close(nghttp2.NGHTTP2_INTERNAL_ERROR)
    })
    .pipe(stream)
}
