import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import {
  AffiliateDeleteRequestSchema,
  AffiliateDeleteResponseSchema,
  AffiliateUpdateRequestSchema,
  AffiliateUpdateResponseSchema,
  HelloRequestSchema,
  HelloResponseSchema,
  ListRequestSchema,
  ListResponseSchema,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from '../../proto/gen/cluster_pb.ts'
import { HealthCheckRequestSchema, HealthCheckResponseSchema } from '../../proto/gen/health_pb.ts'

const CLUSTER = '/sidero.discovery.server.Cluster'

export interface ClusterClientOptions {
  /** PEM of the authority; without it the connection is in plaintext. */
  readonly ca?: Buffer
  /** Sent with each call. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** The calls as they are, over @grpc/grpc-js: a client that shares no code with the server. */
export class ClusterClient implements Disposable {
  readonly #client: Client
  readonly #metadata = new Metadata()
  readonly #watches = new Set<ClientReadableStream<WatchResponse>>()

  constructor(endpoint: string, { ca, metadata = {} }: ClusterClientOptions = {}) {
    const channel = ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca)
    this.#client = new Client(endpoint, channel, { 'grpc.use_local_subchannel_pool': 1 })
    for (const [name, value] of Object.entries(metadata)) this.#metadata.set(name, value)
  }

  hello(clusterId: string, clientVersion = 'v1.2.3') {
    return this.#unary(`${CLUSTER}/Hello`, HelloRequestSchema, HelloResponseSchema, {
      clusterId,
      clientVersion,
    })
  }

  update(init: MessageInitShape<typeof AffiliateUpdateRequestSchema>) {
    return this.#unary(
      `${CLUSTER}/AffiliateUpdate`,
      AffiliateUpdateRequestSchema,
      AffiliateUpdateResponseSchema,
      init,
    )
  }

  delete(clusterId: string, affiliateId: string) {
    const init = { clusterId, affiliateId }
    return this.#unary(
      `${CLUSTER}/AffiliateDelete`,
      AffiliateDeleteRequestSchema,
      AffiliateDeleteResponseSchema,
      init,
    )
  }

  async list(clusterId: string) {
    const { affiliates } = await this.#unary(`${CLUSTER}/List`, ListRequestSchema, ListResponseSchema, {
      clusterId,
    })
    return affiliates
  }

  /** Messages as they come; it ends as the call ends, with an error when that has one. */
  watch(clusterId: string): ClientReadableStream<WatchResponse> {
    const request = create(WatchRequestSchema, { clusterId })
    const stream = this.#client.makeServerStreamRequest(
      `${CLUSTER}/Watch`,
      (message) => Buffer.from(toBinary(WatchRequestSchema, message)),
      (bytes) => fromBinary(WatchResponseSchema, bytes),
      request,
      this.#metadata,
    )
    this.#watches.add(stream)
    return stream.once('end', () => this.#watches.delete(stream))
  }

  /** 1 when the service serves. */
  async health(service = ''): Promise<number> {
    const path = '/grpc.health.v1.Health/Check'
    const answer = await this.#unary(path, HealthCheckRequestSchema, HealthCheckResponseSchema, { service })
    return answer.status
  }

  /** Ends its watches too: one that goes on keeps the process of the test alive. */
  [Symbol.dispose](): void {
    for (const stream of this.#watches) stream.on('error', () => {}).cancel()
    this.#client.close()
  }

  #unary<Q extends DescMessage, A extends DescMessage>(
    path: string,
    requestSchema: Q,
    answerSchema: A,
    init: MessageInitShape<Q>,
  ): Promise<MessageShape<A>> {
    return new Promise((done, failed) => {
      this.#client.makeUnaryRequest(
        path,
        (message: MessageShape<Q>) => Buffer.from(toBinary(requestSchema, message)),
        (bytes) => fromBinary(answerSchema, bytes),
        create(requestSchema, init),
        this.#metadata,
        (error: ServiceError | null, answer?: MessageShape<A>) =>
          error === null && answer !== undefined ? done(answer) : failed(error),
      )
    })
  }
}
