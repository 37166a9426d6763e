import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Affiliates, ChangeSink, Counts } from '../../state/clusters.ts'
import { clusterHash } from '../cluster-hash.ts'
import { judgeAbsence, readToldChange } from './change.ts'
import { type Reading, readCluster, writeAffiliate } from './clusters-in-redis.ts'
import { FollowedCluster, type ReadCluster, toPutBack } from './followed.ts'
import { type ClusterKeys, keysOf, PIN_LIFE } from './layout.ts'
import { type Link, RedisFailure } from './link.ts'
import { Turns } from './turns.ts'

export interface FollowingOptions {
  readonly clock: Clock
  readonly changes: ChangeSink
  readonly isWatched: (clusterId: string) => boolean
  /** The write key of a cluster, by its hash, as it was seen last; '' for none. */
  readonly keyOf: (hash: string) => string
  /** Affiliates of a cluster were put back into a Redis that had lost them. */
  readonly onPutBack: (hash: string, affiliates: number) => void
}

/** A cluster that nobody watches is held so long for those who come back, or begin to watch just now. */
const LINGER: Milliseconds = 30_000
/** So many clusters are read at a time. */
const CATCH_UP_WIDTH = 32

/** One cluster that is followed. */
class Follow {
  readonly clusterId: string
  readonly keys: ClusterKeys
  readonly cluster: FollowedCluster
  /** Brings what is held up to date. @throws RedisFailure */
  readonly catchUp: Turns<void>
  /** Whether everything was read once. */
  isHeld = false
  /** Whether a change was told that does not follow what is held. */
  hasMissed = false
  isReading = false
  /** Of the server that it was read from last. */
  serverRun = ''
  wantedAt: Instant

  constructor(
    clusterId: string,
    changes: ChangeSink,
    catchUp: (follow: Follow) => Promise<void>,
    now: Instant,
  ) {
    this.clusterId = clusterId
    this.keys = keysOf(clusterHash(clusterId))
    this.cluster = new FollowedCluster((id, change) => changes.changed(clusterId, id, change))
    this.catchUp = new Turns(() => catchUp(this))
    this.wantedAt = now
  }
}

/**
 * The clusters that somebody watches here, each held in memory and brought up to date by what is told on its channel. What
 * was missed is read from its stream; and what a Redis has lost that came back is put back from what is held.
 */
export class Following {
  readonly #options: FollowingOptions
  readonly #link: Link
  readonly #follows = new Map<string, Follow>()
  readonly #byChannel = new Map<string, Follow>()
  /** Channels that the connection of now listens on. */
  readonly #subscribed = new Set<string>()

  constructor(link: Link, options: FollowingOptions) {
    this.#link = link
    this.#options = options
  }

  /** How much is held. */
  get counts(): Counts {
    let affiliates = 0
    let endpoints = 0
    for (const { cluster } of this.#follows.values()) {
      affiliates += cluster.affiliates.size
      for (const affiliate of cluster.affiliates.values()) endpoints += affiliate.endpoints.length
    }
    return { clusters: this.#follows.size, affiliates, endpoints }
  }

  /** What is held of a cluster, whether up to date or not; undefined when nothing is. */
  held(clusterId: string): Affiliates | undefined {
    const follow = this.#follows.get(clusterId)
    return follow?.isHeld === true ? follow.cluster.affiliates : undefined
  }

  /** To learn what is expected to be in Redis, and to note what was refreshed there. */
  cluster(clusterId: string): { readonly keys: ClusterKeys; readonly cluster: FollowedCluster } | undefined {
    return this.#follows.get(clusterId)
  }

  /** Holds the cluster, with all that was answered before. @throws RedisFailure when nothing is held */
  async follow(clusterId: string): Promise<void> {
    const { clock, changes } = this.#options
    let follow = this.#follows.get(clusterId)
    if (follow === undefined) {
      follow = new Follow(clusterId, changes, (each) => this.#catchUp(each), clock.now())
      this.#follows.set(clusterId, follow)
      this.#byChannel.set(follow.keys.changes, follow)
    }
    follow.wantedAt = clock.now()
    try {
      await follow.catchUp.request()
    } catch (error) {
      if (!follow.isHeld || !(error instanceof RedisFailure)) throw error
    }
  }

  /** What is held is up to date with all that was answered before; as it is where Redis cannot be asked. */
  async refresh(clusterId: string): Promise<void> {
    await this.#follows.get(clusterId)?.catchUp.request().catch(ignoreFailure)
  }

  /** A change was told. */
  message(channel: string, message: Buffer): void {
    const follow = this.#byChannel.get(channel)
    if (follow === undefined) return
    const change = readToldChange(message)
    if (!follow.isReading && follow.isHeld && change !== undefined && follow.cluster.told(change)) return
    follow.hasMissed = true
    if (!follow.isReading) void follow.catchUp.request().catch(ignoreFailure)
  }

  /** After both connections were there again. @throws RedisFailure */
  async resume(): Promise<void> {
    await this.#catchUpAll([...this.#follows.values()])
  }

  /** Subscriptions ended with their connection. */
  suspend(): void {
    this.#subscribed.clear()
  }

  /**
   * Forgets clusters that nobody watches any more, and reads again what could not be read. To be called now and then, while
   * Redis can be reached. @throws RedisFailure
   */
  async tidy(): Promise<void> {
    const now = this.#options.clock.now()
    const gone = [...this.#follows.values()].filter(
      ({ clusterId, wantedAt }) => !this.#options.isWatched(clusterId) && now - wantedAt > LINGER,
    )
    for (const follow of gone) this.#forget(follow)
    await this.#link.unsubscribe(gone.map(({ keys }) => keys.changes))
    const behind = [...this.#follows.values()].filter(({ hasMissed, isReading }) => hasMissed && !isReading)
    await this.#catchUpAll(behind)
  }

  /** Not all at once: so much might not be answered in time, and would be asked again and again. */
  async #catchUpAll(follows: readonly Follow[]): Promise<void> {
    for (let from = 0; from < follows.length; from += CATCH_UP_WIDTH)
      await Promise.all(follows.slice(from, from + CATCH_UP_WIDTH).map(({ catchUp }) => catchUp.request()))
  }

  #forget(follow: Follow): void {
    this.#follows.delete(follow.clusterId)
    this.#byChannel.delete(follow.keys.changes)
    this.#subscribed.delete(follow.keys.changes)
  }

  async #catchUp(follow: Follow): Promise<void> {
    follow.isReading = true
    try {
      do {
        await this.#subscribe(follow)
        if (!follow.isHeld) await this.#link.settled()
        follow.hasMissed = false
        await this.#readAll(follow)
      } while (follow.hasMissed)
      follow.serverRun = this.#link.serverRun
    } finally {
      follow.isReading = false
    }
  }

  async #subscribe({ keys }: Follow): Promise<void> {
    if (this.#subscribed.has(keys.changes)) return
    await this.#link.subscribe([keys.changes])
    this.#subscribed.add(keys.changes)
  }

  async #readAll(follow: Follow): Promise<void> {
    for (;;) {
      const { cluster, keys } = follow
      const reading = await readCluster(this.#link, keys, cluster.last)
      if (reading.kind === 'anew') return await this.#adopt(follow, reading)
      for (const change of reading.changes) cluster.apply(change)
      if (reading.isComplete) return
    }
  }

  async #adopt(
    follow: Follow,
    { cluster: there, oldest }: Extract<Reading, { kind: 'anew' }>,
  ): Promise<void> {
    const { cluster, serverRun } = follow
    const absence = judgeAbsence(cluster.last, { last: there.last, oldest })
    // What another run knows it may have learned anew since, however much it is.
    const mayHaveLost = absence === 'lost' || serverRun !== this.#link.serverRun
    const hasLost = cluster.affiliates.size > 0 && mayHaveLost
    cluster.adopt(hasLost ? await this.#putBack(follow, there) : there)
    follow.isHeld = true
  }

  /** What is there after what was missing has been put back. */
  async #putBack({ cluster, keys }: Follow, there: ReadCluster): Promise<ReadCluster> {
    const missing = toPutBack(cluster.all(), there, this.#link.now())
    const key = this.#options.keyOf(keys.hash)
    if (key !== '') await this.#link.ask('SET', keys.pin, key, 'NX', 'PX', PIN_LIFE)
    // Who has written there meanwhile, a node or another replica, knows better: a conflict is no failure.
    await Promise.all(
      missing.map(({ affiliate, expected }) =>
        writeAffiliate(this.#link, keys, affiliate, { expected, isChange: true, mayCreate: true }),
      ),
    )
    if (missing.length > 0) this.#options.onPutBack(keys.hash, missing.length)
    const reading = await readCluster(this.#link, keys, '')
    if (reading.kind !== 'anew') throw new Error('a cluster was read as a whole and came in part')
    return reading.cluster
  }
}

/** What could not be read is read later; a bug is one. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof RedisFailure)) throw error
}
