import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../fuzz/random.ts'
import { ClusterClient } from '../support/cluster-client.ts'

/** Nodes announce themselves this often, for so long. */
const REFRESH_MS = 2_000
const TTL_MS = 12_000
/** A call that takes longer is made again, elsewhere. */
const CALL_LIMIT_MS = 3_000
const AGAIN_MS = 200
/** Clocks are read at both ends of a call. */
const SLACK_MS = 1_000

/** Where the replicas are; those who lose one go to another. */
export class Front implements Disposable {
  readonly #clients: ClusterClient[]
  readonly #random: Random

  constructor(endpoints: readonly string[], random: Random) {
    this.#clients = endpoints.map((endpoint) => new ClusterClient(endpoint))
    this.#random = random
  }

  any(): ClusterClient {
    return this.#random.pick(this.#clients)
  }

  get all(): readonly ClusterClient[] {
    return this.#clients
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]()
  }
}

/** A node: it joins, refreshes, and leaves with a word or without one. */
export class Node {
  readonly cluster: string
  readonly id: string
  readonly #front: Front
  readonly #over: AbortSignal
  /** Of the last announcement that was answered; undefined before. */
  #announcedAt: number | undefined
  #state: 'lives' | 'vanished' | 'deleted' = 'lives'

  constructor(cluster: string, id: string, front: Front, over: AbortSignal) {
    this.cluster = cluster
    this.id = id
    this.#front = front
    this.#over = over
  }

  /** It was there, is there, and means to stay: nobody may be told that it is gone. */
  get isAlive(): boolean {
    if (this.#announcedAt === undefined || this.#state === 'deleted') return false
    return this.#state === 'lives' || performance.now() < this.#announcedAt + TTL_MS - SLACK_MS
  }

  get hasLeft(): boolean {
    return this.#state !== 'lives'
  }

  async live(): Promise<void> {
    let client = this.#front.any()
    while (this.#state === 'lives' && !this.#over.aborted) {
      const startedAt = performance.now()
      const update = client.update({
        clusterId: this.cluster,
        affiliateId: this.id,
        affiliateData: Buffer.from(this.id),
        affiliateEndpoints: [Buffer.from(`${this.id}:1`)],
        ttl: { seconds: BigInt(TTL_MS / 1000), nanos: 0 },
      })
      if (await answered(update)) {
        this.#announcedAt = startedAt
        await pause(REFRESH_MS)
      } else {
        client = this.#front.any()
        await pause(AGAIN_MS)
      }
    }
  }

  /** It says nothing any more. */
  vanish(): void {
    this.#state = 'vanished'
  }

  async leave(): Promise<void> {
    this.#state = 'deleted'
    while (!this.#over.aborted && !(await answered(this.#front.any().delete(this.cluster, this.id))))
      await pause(AGAIN_MS)
  }
}

/** Who watches a cluster, through one replica or, when that is gone, another. */
export class Observer {
  readonly cluster: string
  readonly view = new Set<string>()
  reconnects = 0
  readonly #front: Front
  readonly #over: AbortSignal
  readonly #onGone: (id: string, how: string) => void

  constructor(cluster: string, front: Front, over: AbortSignal, onGone: (id: string, how: string) => void) {
    this.cluster = cluster
    this.#front = front
    this.#over = over
    this.#onGone = onGone
  }

  async watch(): Promise<void> {
    while (!this.#over.aborted) {
      await this.#watchOnce(this.#front.any())
      this.reconnects += 1
      await pause(AGAIN_MS)
    }
  }

  #watchOnce(client: ClusterClient): Promise<void> {
    return new Promise((done) => {
      const stream = client.watch(this.cluster)
      const end = (): void => stream.cancel()
      this.#over.addEventListener('abort', end, { once: true })
      let isSnapshot = true
      stream.on('data', ({ affiliates, deleted }) => {
        const ids = affiliates.map(({ id }: { id: string }) => id)
        if (isSnapshot)
          for (const id of this.view) if (!ids.includes(id)) this.#gone(id, 'not in a new snapshot')
        isSnapshot = false
        for (const id of ids) {
          if (deleted) this.#gone(id, 'deleted')
          else this.view.add(id)
        }
      })
      stream.on('error', () => {})
      stream.on('status', () => {
        this.#over.removeEventListener('abort', end)
        done()
      })
    })
  }

  #gone(id: string, how: string): void {
    if (this.view.delete(id)) this.#onGone(id, how)
  }
}

async function answered(call: Promise<unknown>): Promise<boolean> {
  const limit = new AbortController()
  const late = pause(CALL_LIMIT_MS, false, { signal: limit.signal }).catch(() => false)
  const isAnswered = await Promise.race([
    call.then(
      () => true,
      () => false,
    ),
    late,
  ])
  limit.abort()
  return isAnswered
}
