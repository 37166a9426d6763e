import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, PATIENCE_MS, skip } from '../../e2e/story.ts'
import { Random } from '../../fuzz/random.ts'
import type { LabHost } from '../../lab/box.ts'
import { assertNone, Bed, cpuPercent, inClear, type Load, loadOf, Traffic } from '../bed.ts'
import { WebServer, WebVisitor } from '../web.ts'
import { hostileStep } from './random-steps.ts'

const MINUTES = Number(process.env.HOSTILE_MINUTES || 10)
const SEED = Number(process.env.HOSTILE_SEED || Date.now() % 1_000_000)
const CPU_MAX_PERCENT = 50
const RSS_MAX_MB = 300
const LOG_MAX_BYTES_PER_MINUTE = 1_000_000
const RECOVERED_WITHIN_MS = 10_000
const WINDOW_MS = 60_000
const PORT = 8080
const LATELY = 8

test(`whatever a service answers, nothing is lost and nothing is in clear (HOSTILE_SEED=${SEED})`, {
  skip,
}, async () => {
  console.log(`# HOSTILE_SEED=${SEED}`)
  await using bed = await Bed.make('siege', { hasHonest: ({ name }) => name === 'a' })
  const { lab, mesh, service } = bed
  const { records } = await service.look()
  await using owned = new AsyncDisposableStack()
  for (const host of lab.hosts) owned.use(await WebServer.start(host, PORT))
  const visitors = await Promise.all(
    lab.hosts.map(async (host, place) => {
      const to = lab.hosts[(place + 1) % lab.hosts.length]
      return owned.use(await WebVisitor.start(host, `http://${to?.v4}:${PORT}/`))
    }),
  )
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  const random = new Random(SEED)
  const watches = lab.hosts.map((host) => new Watch(host, () => loadOf(mesh.daemon(host))))
  const happened: string[] = []
  const lately = (): string => `\nlast of all\n${happened.slice(-LATELY).join('\n')}`

  for (const endsAt = Date.now() + MINUTES * 60_000; Date.now() < endsAt; ) {
    const { behaviour, orders, milliseconds } = hostileStep(random, records)
    const text = JSON.stringify({ behaviour, orders })
    happened.push(`${new Date().toISOString()} ${text.slice(0, 500)}`)
    if (process.env.TEST_VERBOSE) console.log(`# ${happened.at(-1)}`)
    await service.behave(behaviour)
    for (const order of orders) await service.order(order)
    await sleep(milliseconds)
    for (const watch of watches) watch.look()
    assertNone((await inClear(lab)).map((line) => line + lately()))
    for (const host of lab.hosts) assert.ok(mesh.daemon(host).isRunning, `${host.name} ended${lately()}`)
  }

  await service.order({ do: 'stop repeating' })
  const { hellos } = await service.behave({})
  await service.order({ do: 'end connections' })
  const endedAt = performance.now()
  // Until then the daemons may not have noticed.
  await eventually(
    'all have come anew',
    () => service.look(),
    (sight) => sight.hellos >= hellos + lab.hosts.length && sight.watchers === lab.hosts.length,
  )
  await Promise.all(
    lab.hosts.map((host) =>
      mesh.until(
        host,
        ({ services, affiliates }) =>
          services.every(({ connected }) => connected) &&
          affiliates.filter(({ unconfirmedUntil }) => unconfirmedUntil === undefined).length ===
            lab.hosts.length,
        PATIENCE_MS,
      ),
    ),
  )
  const recovered = performance.now() - endedAt
  for (const watch of watches) watch.end()
  const most = watches.map((watch) => watch.summary)
  console.log(`# ${happened.length} steps, recovered after ${Math.round(recovered)} ms; ${most.join('; ')}`)
  const visits = await Promise.all(visitors.map((visitor) => visitor.stop()))
  assertNone(
    visits.flatMap(({ served, failed }) =>
      failed > 0 ? [`${failed} of ${served + failed} visits failed`] : [],
    ),
  )
  await traffic.assertUnharmed()
  assertNone(watches.flatMap(({ complaints }) => complaints))
  assert.ok(recovered <= RECOVERED_WITHIN_MS, `recovered after ${Math.round(recovered)} ms`)
})

/** What a daemon used up: the memory at each look, the rest by the minute. */
class Watch {
  readonly #name: string
  readonly #load: () => Load
  #windowFrom: Load
  #cpuPercent = 0
  #rssMegabytes = 0
  #logBytesPerMinute = 0

  constructor({ name }: LabHost, load: () => Load) {
    this.#name = name
    this.#load = load
    this.#windowFrom = load()
  }

  look(): void {
    const now = this.#load()
    this.#rssMegabytes = Math.max(this.#rssMegabytes, now.rssPeakMegabytes)
    const milliseconds = now.atMilliseconds - this.#windowFrom.atMilliseconds
    if (milliseconds >= WINDOW_MS) this.#close(now)
  }

  /** The last minute counts although it was shorter. */
  end(): void {
    this.#close(this.#load())
  }

  #close(now: Load): void {
    const milliseconds = now.atMilliseconds - this.#windowFrom.atMilliseconds
    const logged = ((now.logBytes - this.#windowFrom.logBytes) * WINDOW_MS) / milliseconds
    this.#logBytesPerMinute = Math.max(this.#logBytesPerMinute, logged)
    this.#cpuPercent = Math.max(this.#cpuPercent, cpuPercent(this.#windowFrom, now))
    this.#windowFrom = now
  }

  get summary(): string {
    return `${this.#name}: ${Math.round(this.#cpuPercent)} % CPU, ${Math.round(this.#rssMegabytes)} MB, ${Math.round(this.#logBytesPerMinute / 1000)} kB of log in a minute`
  }

  get complaints(): readonly string[] {
    return this.#cpuPercent > CPU_MAX_PERCENT ||
      this.#rssMegabytes > RSS_MAX_MB ||
      this.#logBytesPerMinute > LOG_MAX_BYTES_PER_MINUTE
      ? [this.summary]
      : []
  }
}
