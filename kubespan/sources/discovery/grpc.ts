import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  setLogger,
  status,
} from '@grpc/grpc-js'
import {
  AffiliateDeleteRequestSchema,
  AffiliateDeleteResponseSchema,
  AffiliateUpdateRequestSchema,
  AffiliateUpdateResponseSchema,
  HelloRequestSchema,
  HelloResponseSchema,
  WatchRequestSchema,
} from '../../../proto/gen/cluster_pb.ts'
import type { Milliseconds } from '../../../shared/clock.ts'
import { clipped } from '../../../shared/printable.ts'
import { firstHop, type ProxySettings } from '../../model/proxy.ts'
import { formatHostPort, type HostPort, type ServiceEndpoint } from '../../model/service-endpoint.ts'
import { PROOF_HEADER, Prover, type ProverOptions, readProofAnswer } from './proof.ts'
import type { WatchMessage } from './table.ts'
import { type DiscoveryTransport, type HelloAnswer, RefusedCall, type UpdateCall } from './transport.ts'
import { Turnstile } from './turnstile.ts'
import { decodeWatchMessage, UnfitAnswer, WATCH_MESSAGE_MAX_BYTES } from './watch-decoder.ts'

const SERVICE = '/sidero.discovery.server.Cluster'
/** An address and the name of another service at most. The codec makes an object of every field that it does not know. */
const ANSWER_MAX_BYTES = 16 << 10

export interface GrpcSettings {
  readonly clusterId: string
  /** What Hello says we are, like `v1.2.3`. */
  readonly clientVersion: string
  /** SPEC 2.3: how often an idle connection is checked. Public services punish anything under 10 s. */
  readonly keepalive: Milliseconds
  /** PEM of all certificate authorities to trust, read anew for every connection. */
  readonly rootCertificates: () => Buffer
  readonly proxy: ProxySettings | undefined
  /** What we prove with that we are a member; undefined to prove nothing. */
  readonly proofs?: Pick<ProverOptions, 'key' | 'wall'>
}

/** The four calls over @grpc/grpc-js. A connection is made lazily and its name resolved anew each time. */
export class GrpcTransport implements DiscoveryTransport {
  readonly #client: Client
  readonly #settings: GrpcSettings
  readonly #prover: Prover | undefined

  constructor(endpoint: ServiceEndpoint, settings: GrpcSettings) {
    this.#settings = settings
    const { clusterId, proofs } = settings
    this.#prover =
      proofs &&
      new Prover({ ...proofs, clusterId, authority: formatHostPort(endpoint), plaintext: endpoint.plaintext })
    const channel: ChannelCredentials = endpoint.plaintext
      ? credentials.createInsecure()
      : credentials.createSsl(settings.rootCertificates())
    this.#client = new Client(targetOf(firstHop(endpoint, settings.proxy)), channel, {
      ...throughProxy(endpoint, settings.proxy),
      'grpc.keepalive_time_ms': Math.max(10_000, settings.keepalive),
      'grpc.keepalive_timeout_ms': 20_000,
      // Of a compressed message it counts what comes out as well. It cannot be told to take none.
      'grpc.max_receive_message_length': WATCH_MESSAGE_MAX_BYTES,
      // A session of its own for every transport: closing one must not leave its socket to the next.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 500,
      // It would ask name servers for TXT records, and keep the process until the last of them has not answered.
      'grpc.service_config_disable_resolution': 1,
    })
  }

  async hello(signal: AbortSignal): Promise<HelloAnswer> {
    const { clusterId, clientVersion } = this.#settings
    const request = create(HelloRequestSchema, { clusterId, clientVersion })
    let said: string | undefined
    const answer = await this.#unary(
      'Hello',
      HelloRequestSchema,
      request,
      HelloResponseSchema,
      signal,
      (headers) => {
        said = headers.get(PROOF_HEADER)[0]?.toString()
      },
    )
    this.#prover?.heard(said)
    return { clientIp: answer.clientIp, redirect: answer.redirect?.endpoint, proof: readProofAnswer(said) }
  }

  async update({ affiliateId, data, endpoints, ttl }: UpdateCall, signal: AbortSignal): Promise<void> {
    const request = create(AffiliateUpdateRequestSchema, {
      clusterId: this.#settings.clusterId,
      affiliateId,
      affiliateEndpoints: [...endpoints],
      ttl: { seconds: BigInt(Math.floor(ttl / 1000)), nanos: Math.round((ttl % 1000) * 1e6) },
    })
    if (data !== undefined) request.affiliateData = data
    await this.#unary(
      'AffiliateUpdate',
      AffiliateUpdateRequestSchema,
      request,
      AffiliateUpdateResponseSchema,
      signal,
    )
  }

  async remove(affiliateId: string, signal: AbortSignal): Promise<void> {
    const request = create(AffiliateDeleteRequestSchema, { clusterId: this.#settings.clusterId, affiliateId })
    await this.#unary(
      'AffiliateDelete',
      AffiliateDeleteRequestSchema,
      request,
      AffiliateDeleteResponseSchema,
      signal,
    )
  }

  async *watch(signal: AbortSignal): AsyncGenerator<WatchMessage> {
    const turnstile = new Turnstile()
    const request = toBinary(
      WatchRequestSchema,
      create(WatchRequestSchema, { clusterId: this.#settings.clusterId }),
    )
    const call = this.#client.makeServerStreamRequest(
      `${SERVICE}/Watch`,
      asBuffer,
      (bytes: Buffer) => bytes,
      request,
      this.#metadata('Watch', request),
      { interceptors: [turnstile.interceptor] },
    )
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      turnstile.open()
      for await (const bytes of call) {
        yield decodeWatchMessage(bytes)
        turnstile.open()
      }
    } catch (error) {
      if (!signal.aborted) throw unfitOr('Watch', error)
    } finally {
      signal.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }

  #metadata(method: string, message: Uint8Array): Metadata {
    const metadata = new Metadata({ waitForReady: false })
    const proof = this.#prover?.proofOf(method, message)
    if (proof !== undefined) metadata.set(PROOF_HEADER, proof)
    return metadata
  }

  #unary<I extends DescMessage, O extends DescMessage>(
    method: string,
    input: I,
    request: MessageShape<I>,
    output: O,
    signal: AbortSignal,
    onHeaders?: (headers: Metadata) => void,
  ): Promise<MessageShape<O>> {
    const message = toBinary(input, request)
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `${SERVICE}/${method}`,
        asBuffer,
        (bytes: Buffer) => {
          if (bytes.length > ANSWER_MAX_BYTES) throw new Error(`${bytes.length} bytes`)
          return fromBinary(output, bytes)
        },
        message,
        this.#metadata(method, message),
        (error, answer) => {
          signal.removeEventListener('abort', cancel)
          if (error !== null) reject(readable(method, error))
          else if (answer !== undefined) resolve(answer)
          else reject(new Error(`${method}: empty answer`))
        },
      )
      if (onHeaders !== undefined) call.on('metadata', onHeaders)
      const cancel = (): void => call.cancel()
      if (signal.aborted) cancel()
      else signal.addEventListener('abort', cancel, { once: true })
    })
  }
}

/**
 * Whether there is a proxy is decided here: the library reads only some of the variables, in lower case only, and takes an
 * empty entry of NO_PROXY for everything. The options that it passes on to itself then are not documented.
 */
function throughProxy(endpoint: ServiceEndpoint, proxy: ProxySettings | undefined): ChannelOptions {
  const direct: ChannelOptions = { 'grpc.enable_http_proxy': 0 }
  if (!proxy?.isFor(endpoint)) return direct
  const goal = formatHostPort(endpoint)
  return {
    ...direct,
    'grpc.default_authority': goal,
    'grpc.http_connect_target': targetOf(endpoint),
    ...(proxy.credentials !== undefined && { 'grpc.http_connect_creds': proxy.credentials }),
  }
}

/** The library has schemes of its own, and would take a host that is called like one for it, as `unix`. */
const targetOf = (goal: HostPort): string => `dns:${formatHostPort(goal)}`

/** toBinary hands out an exact array of its own, so a Buffer over it needs no second copy. */
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Answers that say something of the request, not of the connection. */
const REFUSALS: ReadonlyMap<number, { readonly retryable: boolean }> = new Map([
  [status.INVALID_ARGUMENT, { retryable: false }],
  [status.PERMISSION_DENIED, { retryable: true }],
  [status.RESOURCE_EXHAUSTED, { retryable: true }],
])

/** How the library ends its answer when it has told the reason to its own log only: of proxies, whose failures it logs. */
const NOT_SAID = 'Last error: undefined'
let complaint = ''
// Its log is one for the whole process, and ours is no place for lines of another form.
setLogger({
  error: (line: string) => {
    complaint = /Failed to connect to .*/.exec(line)?.[0] ?? ''
  },
})

/** What is too long for us is not received; what the library says then begins so. */
const TOO_LONG = /^Received message (?:larger|that decompresses)/

function unfitOr(method: string, error: unknown): Error {
  if (error instanceof UnfitAnswer) return error
  const described = readable(method, error)
  return TOO_LONG.test((error as ServiceError).details ?? '') ? new UnfitAnswer(described.message) : described
}

function readable(method: string, error: unknown): Error {
  const { code, details } = error as ServiceError
  if (code === undefined) return error instanceof Error ? error : new Error(clipped(String(error)))
  const why = details.includes(NOT_SAID) && complaint !== '' ? complaint : details
  const message = `${method}: ${status[code]}: ${clipped(why)}`
  const refusal = REFUSALS.get(code)
  return refusal === undefined
    ? new Error(message, { cause: error })
    : new RefusedCall(message, refusal.retryable, error)
}
