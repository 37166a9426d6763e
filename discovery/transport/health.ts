import type { ServerHttp2Stream } from 'node:http2'
import { frameMessage } from './frames.ts'
import { MessageReader } from './message-reader.ts'
import { MessageRoom } from './message-room.ts'
import { decodeRequest } from './request-decoder.ts'
import { encodeStatusMessage, STATUS } from './status.ts'

const CHECK = '/grpc.health.v1.Health/Check'
const WATCH = '/grpc.health.v1.Health/Watch'

/** Empty is the server as a whole. */
const SERVICES: ReadonlySet<string> = new Set([
  '',
  'sidero.discovery.server.Cluster',
  'grpc.health.v1.Health',
])

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3
/** Questions are a name. */
const QUESTION_ROOM_BYTES = 1 << 20
/** Its only use is here. */
const STATUS_NOT_FOUND = 5

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const

/** grpc.health.v1.Health: what load balancers and supervisors ask on the port of the service. */
export class HealthService {
  /** Watch streams of services that are here. */
  readonly #watchers = new Set<ServerHttp2Stream>()
  readonly #room = new MessageRoom(QUESTION_ROOM_BYTES)
  #status = SERVING

  /** Takes over a stream whose path is ours; false when it is not. */
  readonly handle = (path: string, stream: ServerHttp2Stream): boolean => {
    if (path !== CHECK && path !== WATCH) return false
    const reader = new MessageReader(
      stream,
      (message) => {
        if (!canAnswer(stream)) return
        if (path === CHECK) this.#check(stream, message)
        else this.#watch(stream, message)
      },
      ({ code, message }) => fail(stream, code, message),
      this.#room,
    )
    reader.release()
    return true
  }

  /** Says that we serve no more, and ends the streams of those who watch. */
  end(): void {
    this.#status = NOT_SERVING
    for (const stream of this.#watchers) stream.end(statusFrame(this.#status))
  }

  #check(stream: ServerHttp2Stream, message: Buffer): void {
    const service = serviceOf(message)
    if (service === undefined)
      return fail(stream, STATUS.Internal, 'the request is no valid protobuf message')
    if (!SERVICES.has(service)) return fail(stream, STATUS_NOT_FOUND, `there is no service ${service}`)
    begin(stream)
    stream.end(statusFrame(this.#status))
  }

  #watch(stream: ServerHttp2Stream, message: Buffer): void {
    const service = serviceOf(message)
    if (service === undefined)
      return fail(stream, STATUS.Internal, 'the request is no valid protobuf message')
    begin(stream)
    stream.write(statusFrame(SERVICES.has(service) ? this.#status : SERVICE_UNKNOWN))
    this.#watchers.add(stream)
    stream.once('close', () => this.#watchers.delete(stream))
  }
}

/** HealthCheckResponse.status, an enumeration. */
const STATUS_TAG = 0x08

const statusFrame = (status: number): Uint8Array => frameMessage(Uint8Array.of(STATUS_TAG, status))

/** HealthCheckRequest has the name in its first field, where requests of the service have their cluster. */
const serviceOf = (message: Buffer): string | undefined => decodeRequest(message)?.clusterId

/** Whether there is still somebody to answer. */
const canAnswer = ({ destroyed, closed }: ServerHttp2Stream): boolean => !destroyed && !closed

function begin(stream: ServerHttp2Stream): void {
  stream.respond(HEADERS, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': '' }))
}

function fail(stream: ServerHttp2Stream, code: number, message: string): void {
  if (!canAnswer(stream)) return
  stream.respond(
    { ...HEADERS, 'grpc-status': `${code}`, 'grpc-message': encodeStatusMessage(message) },
    { endStream: true },
  )
}
