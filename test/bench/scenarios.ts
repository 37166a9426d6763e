import { setTimeout as sleep } from 'node:timers/promises'
import { clusterFrame, helloFrame, readStamps, StampedUpdate } from './messages.ts'
import type { MeasuredServer } from './process.ts'
import { addressOf, Session } from './session.ts'

/** What was measured, by the name of the figure; the unit is in the name. */
export type Figures = Readonly<Record<string, number>>

export interface Scenario {
  readonly what: string
  readonly isTls?: boolean
  readonly run: (server: MeasuredServer) => Promise<Figures>
}

const CLUSTER = 'bench'
const CONNECTING_AT_ONCE = 50
const CONVERGE_LIMIT_MS = 40_000
/** Calls of one address, fewer than its burst. */
const CALLS_PER_ADDRESS = 40
const AFFILIATES = 50
const WRITERS = 4

let lastAddress = 0
const nextAddress = (): string => {
  lastAddress += 1
  return addressOf(lastAddress)
}

/** @throws when a call did not go well: a figure of failed calls would say nothing. */
async function call(session: Session, method: string, frame: Buffer, address: string): Promise<void> {
  const { status, words } = await session.call(method, frame, address)
  if (status !== '0') throw new Error(`${method}: ${status} ${words}`)
}

/** CPU and time from now until asked. */
function meter(server: MeasuredServer): () => { cpu: number; seconds: number } {
  const [cpu, startedAt] = [server.cpu, performance.now()]
  return () => ({ cpu: server.cpu - cpu, seconds: (performance.now() - startedAt) / 1000 })
}

/** Watchers of one cluster, each of which shall see the last version of each affiliate. */
class Audience implements Disposable {
  readonly #sessions: Session[] = []
  readonly #isMissing: boolean[][] = []
  readonly #missing: number[] = []
  #version = Infinity
  messages = 0
  aborted = 0
  converged = 0
  readonly delays: number[] = []

  /** From now on the last version is this. */
  expect(version: number, affiliates: number): void {
    this.#version = version
    this.messages = 0
    for (let watcher = 0; watcher < this.#sessions.length; watcher += 1) this.#await(watcher, affiliates)
  }

  /** Resolves with the first message, the cluster as it is. */
  async join(server: MeasuredServer, affiliates = 0): Promise<Session> {
    const session = await Session.connect(server.endpoint, server.isTls)
    const watcher = this.#sessions.push(session) - 1
    this.#await(watcher, affiliates)
    const address = nextAddress()
    await call(session, 'Hello', helloFrame(CLUSTER), address)
    const first = Promise.withResolvers<void>()
    const { ended } = session.watch(clusterFrame(CLUSTER), address, (message) => {
      this.messages += 1
      readStamps(message, (index, version, sentAt) => this.#see(watcher, index, version, sentAt))
      first.resolve()
    })
    void ended.then(() => {
      if (!session.isLost) this.aborted += 1
      first.resolve()
    })
    await first.promise
    return session
  }

  expectOnJoin(version: number): void {
    this.#version = version
  }

  /** @throws when not all have seen all in time. */
  async untilConverged(): Promise<void> {
    const until = performance.now() + CONVERGE_LIMIT_MS
    while (this.converged < this.#sessions.length) {
      if (performance.now() > until)
        throw new Error(`${this.converged} of ${this.#sessions.length} watchers converged`)
      await sleep(5)
    }
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session[Symbol.dispose]()
  }

  #await(watcher: number, affiliates: number): void {
    this.#isMissing[watcher] = Array.from({ length: affiliates }, () => true)
    this.#missing[watcher] = affiliates
  }

  #see(watcher: number, index: number, version: number, sentAt: number): void {
    const isMissing = this.#isMissing[watcher] as boolean[]
    if (version > 1) this.delays.push(performance.now() - sentAt)
    if (version < this.#version || isMissing[index] !== true) return
    isMissing[index] = false
    this.#missing[watcher] = (this.#missing[watcher] as number) - 1
    if (this.#missing[watcher] === 0) this.converged += 1
  }
}

async function inBatches(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < count; first += CONNECTING_AT_ONCE) {
    const size = Math.min(CONNECTING_AT_ONCE, count - first)
    await Promise.all(Array.from({ length: size }, (_, index) => work(first + index)))
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

const unary = async (server: MeasuredServer): Promise<Figures> => {
  const delays: number[] = []
  const workers = await Promise.all(
    Array.from({ length: 16 }, async (_, worker) => ({
      session: await Session.connect(server.endpoint, server.isTls),
      updates: Array.from({ length: 10 }, (_, index) => new StampedUpdate(`${CLUSTER} ${worker}`, index)),
    })),
  )
  const measure = meter(server)
  const until = performance.now() + 3_000
  await Promise.all(
    workers.map(async ({ session, updates }) => {
      let address = nextAddress()
      for (let count = 1; performance.now() < until; count += 1) {
        if (count % CALLS_PER_ADDRESS === 0) address = nextAddress()
        const startedAt = performance.now()
        const update = updates[count % updates.length] as StampedUpdate
        await call(session, 'AffiliateUpdate', update.stamp(count), address)
        delays.push(performance.now() - startedAt)
      }
    }),
  )
  const { cpu, seconds } = measure()
  for (const { session } of workers) session[Symbol.dispose]()
  return {
    'CPU us/request': (cpu * 1e6) / delays.length,
    'requests/s': delays.length / seconds,
    'p99 ms': quantile(delays, 0.99),
  }
}

/** `perSecond` 0 is as fast as answers come. */
const fanOut =
  (watchers: number, updates: number, perSecond: number) =>
  async (server: MeasuredServer): Promise<Figures> => {
    using audience = new Audience()
    const affiliates = Array.from({ length: AFFILIATES }, (_, index) => new StampedUpdate(CLUSTER, index))
    const writers = await Promise.all(
      Array.from({ length: WRITERS }, () => Session.connect(server.endpoint, server.isTls)),
    )
    const write = (index: number, version: number, count: number): Promise<void> =>
      call(
        writers[index % WRITERS] as Session,
        'AffiliateUpdate',
        (affiliates[index] as StampedUpdate).stamp(version),
        addressOf((1 << 21) + (((index % WRITERS) << 12) | Math.floor(count / CALLS_PER_ADDRESS))),
      )
    for (let index = 0; index < AFFILIATES; index += 1) await write(index, 1, index)
    await inBatches(watchers, () => audience.join(server))
    audience.expect(1 + updates / AFFILIATES, AFFILIATES)
    const measure = meter(server)
    const startedAt = performance.now()
    await Promise.all(
      writers.map(async (_, writer) => {
        for (let count = 0; count < updates; count += 1) {
          const index = count % AFFILIATES
          if (index % WRITERS !== writer) continue
          if (perSecond > 0)
            await sleep(Math.max(0, startedAt + (count * 1000) / perSecond - performance.now()))
          await write(index, 2 + Math.floor(count / AFFILIATES), AFFILIATES + count)
        }
      }),
    )
    await audience.untilConverged()
    const { cpu, seconds } = measure()
    for (const writer of writers) writer[Symbol.dispose]()
    return {
      'CPU us/delivery': (cpu * 1e6) / (updates * watchers),
      'CPU s': cpu,
      's to converge': seconds,
      messages: audience.messages,
      aborted: audience.aborted,
      'seen after p50 ms': quantile(audience.delays, 0.5),
      'seen after p99 ms': quantile(audience.delays, 0.99),
    }
  }

const storm =
  (nodes: number) =>
  async (server: MeasuredServer): Promise<Figures> => {
    using audience = new Audience()
    audience.expectOnJoin(1)
    const measure = meter(server)
    await Promise.all(
      Array.from({ length: nodes }, async (_, index) => {
        const session = await audience.join(server, nodes)
        await call(session, 'AffiliateUpdate', new StampedUpdate(CLUSTER, index).frame, nextAddress())
      }),
    )
    await audience.untilConverged()
    const { cpu, seconds } = measure()
    return { 'CPU s': cpu, 's to converge': seconds, messages: audience.messages, aborted: audience.aborted }
  }

const refresh = async (server: MeasuredServer): Promise<Figures> => {
  const nodes = 300
  const perSecond = 100
  using audience = new Audience()
  const updates = Array.from({ length: nodes }, (_, index) => new StampedUpdate(CLUSTER, index))
  using writer = await Session.connect(server.endpoint, server.isTls)
  for (const { frame } of updates) await call(writer, 'AffiliateUpdate', frame, nextAddress())
  await inBatches(nodes, () => audience.join(server))
  audience.messages = 0
  const measure = meter(server)
  const startedAt = performance.now()
  for (const [index, { frame }] of updates.entries()) {
    await sleep(Math.max(0, startedAt + (index * 1000) / perSecond - performance.now()))
    await call(writer, 'AffiliateUpdate', frame, nextAddress())
  }
  await sleep(300)
  return { 'CPU s': measure().cpu, messages: audience.messages, aborted: audience.aborted }
}

const idle = async (server: MeasuredServer): Promise<Figures> => {
  const watchers = 2000
  const before = server.resident
  const sessions: Session[] = []
  await inBatches(watchers, async (index) => {
    const clusterId = `${CLUSTER} ${Math.floor(index / 10)}`
    const session = await Session.connect(server.endpoint, server.isTls)
    sessions.push(session)
    const address = nextAddress()
    await call(session, 'Hello', helloFrame(clusterId), address)
    const first = Promise.withResolvers<void>()
    session.watch(clusterFrame(clusterId), address, () => first.resolve())
    await call(session, 'AffiliateUpdate', new StampedUpdate(clusterId, index % 10).frame, address)
    await first.promise
  })
  await sleep(4_000)
  const figures = { 'KiB/watcher': (server.resident - before) / watchers }
  for (const session of sessions) session[Symbol.dispose]()
  return figures
}

const connects = async (server: MeasuredServer): Promise<Figures> => {
  let done = 0
  const measure = meter(server)
  const until = performance.now() + 3_000
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (; performance.now() < until; done += 1) {
        using session = await Session.connect(server.endpoint, server.isTls)
        await call(session, 'Hello', helloFrame(CLUSTER), nextAddress())
      }
    }),
  )
  const { cpu, seconds } = measure()
  return { 'CPU us/connection': (cpu * 1e6) / done, 'connections/s': done / seconds }
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  S1: { what: '16 connections that update, one call at a time each, for 3 s', run: unary },
  S2: { what: '200 updates, 50 a second, to 200 watchers', run: fanOut(200, 200, 50) },
  S2c: { what: '200 updates, as fast as answers come, to 1000 watchers', run: fanOut(1000, 200, 0) },
  S2t: { what: 'S2 under TLS', isTls: true, run: fanOut(200, 200, 50) },
  S3: { what: '300 nodes of one cluster start at once', run: storm(300) },
  S3k: { what: '1000 nodes of one cluster start at once', run: storm(1000) },
  S3t: { what: 'S3 under TLS', isTls: true, run: storm(300) },
  S4: { what: '300 nodes that are watched say again what is known', run: refresh },
  S5: { what: '2000 idle watchers in clusters of 10', run: idle },
  S5t: { what: 'S5 under TLS', isTls: true, run: idle },
  S6: { what: 'TLS connection, Hello, and away, for 3 s', isTls: true, run: connects },
}
