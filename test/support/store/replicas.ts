import type { Clock } from '../../../shared/clock.ts'
import { ClusterClient } from '../cluster-client.ts'
import { type StartedService, startService } from '../discovery-service.ts'
import { RedisServer } from './redis-server.ts'
import { WatchedView } from './watched-view.ts'

/** A service on the Redis of the test, and a client of it. */
export class Replica implements AsyncDisposable {
  readonly started: StartedService
  readonly client: ClusterClient

  private constructor(started: StartedService) {
    this.started = started
    this.client = new ClusterClient(started.endpoint)
  }

  /** Flags come after those of the test, so that they win. */
  static async start(redis: RedisServer, flags: readonly string[] = [], clock?: Clock): Promise<Replica> {
    const words = [
      `-store=redis+unix:${redis.path}`,
      '-gc-interval=100ms',
      '-rate-limit=0',
      '-flush-interval=0s',
    ]
    return new Replica(await startService([...words, '-flush-interval-max=0s', ...flags], clock))
  }

  watch(cluster: string): WatchedView {
    return new WatchedView(this.client.watch(cluster))
  }

  /** For half an hour. */
  async put(
    clusterId: string,
    affiliateId: string,
    data = 'x',
    ...endpoints: readonly string[]
  ): Promise<void> {
    await this.putFor(1800, clusterId, affiliateId, data, ...endpoints)
  }

  async putFor(
    seconds: number,
    clusterId: string,
    affiliateId: string,
    data = 'x',
    ...endpoints: readonly string[]
  ): Promise<void> {
    await this.client.update({
      clusterId,
      affiliateId,
      affiliateData: Buffer.from(data),
      affiliateEndpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
      ttl: { seconds: BigInt(seconds), nanos: 0 },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]()
    await this.started[Symbol.asyncDispose]()
  }
}

/** A Redis, with as many replicas on it. */
export class ReplicaWorld implements AsyncDisposable {
  readonly redis: RedisServer
  readonly replicas: Replica[] = []
  readonly #open = new AsyncDisposableStack()

  private constructor(redis: RedisServer) {
    this.redis = this.#open.use(redis)
  }

  static async start(count: number, redisFlags: readonly string[] = []): Promise<ReplicaWorld> {
    const world = new ReplicaWorld(await RedisServer.start(...redisFlags))
    for (let index = 0; index < count; index += 1) await world.add()
    return world
  }

  async add(flags: readonly string[] = [], clock?: Clock): Promise<Replica> {
    const replica = this.#open.use(await Replica.start(this.redis, flags, clock))
    this.replicas.push(replica)
    return replica
  }

  /** @throws when there are not so many */
  at(index: number): Replica {
    const replica = this.replicas[index]
    if (replica === undefined) throw new Error(`there is no replica ${index}`)
    return replica
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync()
  }
}
