import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Milliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import { clipped } from '../../../shared/printable.ts'
import { sleep, within } from '../../../shared/waiting.ts'
import { Wake } from '../../../shared/wake.ts'
import { formatHostPort } from '../../model/service-endpoint.ts'
import { batches } from './batches.ts'
import { checkWhenWanted } from './check-connection.ts'
import type { ClientStatus, DiscoveryClientOptions } from './client-options.ts'
import { OwnSeals } from './own-seals.ts'
import { Publisher } from './publisher.ts'
import { TableReader } from './reader.ts'
import { afterFailure, afterSuccess, type Route, routeBy, routeTo } from './redirect.ts'
import type { AffiliateTable, WatchMessage } from './table.ts'
import { NO_TOLD_ADDRESSES, rememberTold, type ToldAddresses, toldAddress } from './told-addresses.ts'

/** SPEC 2.3. */
export const HELLO_TIMEOUT: Milliseconds = 10_000
/** A connection that stood for so long was a good one. */
const STOOD: Milliseconds = 5_000
/** A service that takes calls and answers no watch is of no use. It is waited for: a busy one lets callers stand in line. */
const SILENCE_TOLD_AFTER: Milliseconds = 30_000

/**
 * One node's conversation with one discovery service (SPEC 2.3): Hello, Watch, Update, and again from
 * the start with growing pauses whenever any of it breaks. Owns no decision about what is published.
 */
export class DiscoveryClient implements AsyncDisposable {
  readonly #options: DiscoveryClientOptions
  readonly #stop = new AbortController()
  readonly #checkWanted = new Wake()
  readonly #publisher: Publisher
  readonly #reader: TableReader
  #running: Promise<void> | undefined
  /** The session, or the pause before the next, that is under way. */
  #attempt: AbortController | undefined
  #isRedialling = false
  #route: Route
  #told: ToldAddresses = NO_TOLD_ADDRESSES
  #status: Omit<ClientStatus, 'isUnpublished' | 'double'>

  constructor(options: DiscoveryClientOptions) {
    this.#options = options
    this.#route = routeTo(options.endpoint)
    const seals = options.seals ?? new OwnSeals()
    this.#publisher = new Publisher(options, seals, options.onChange)
    this.#reader = new TableReader(options, seals)
    this.#status = {
      name: options.name,
      endpoint: formatHostPort(options.endpoint),
      isRedirected: false,
      connected: false,
      hasSnapshot: false,
      lastContactAt: undefined,
      publicAddresses: [],
      problem: 'not connected yet',
    }
  }

  /** What the service has told us so far. Survives a lost connection: absence of news is not news of absence. */
  get table(): AffiliateTable {
    return this.#reader.table
  }

  get status(): ClientStatus {
    const { problem, ...published } = this.#publisher.report
    return { ...this.#status, ...published, problem: this.#status.problem ?? problem }
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Sets what this node says of itself. Never throws: what cannot be sent, as oversized data (C5), is told as the status' problem.
   */
  publish(affiliate: Affiliate): void {
    this.#publisher.publish(affiliate)
  }

  /** Publishes our record once more, sealed anew: who watches sees that we are there. */
  renew(): void {
    this.#publisher.renew()
  }

  /** Sets the endpoints that we have seen working for others, by node id (SPEC 6.4, harvest). */
  publishOthers(endpoints: ReadonlyMap<string, readonly AddressPort[]>): void {
    this.#publisher.publishOthers(endpoints)
  }

  /** Begins anew at once, on a new connection: the old one may be dead without anybody having said so. What was learned stays. */
  redial(): void {
    this.#isRedialling = true
    this.#attempt?.abort()
  }

  /** Has the service show that it is still there, and begins anew if it does not. */
  check(): void {
    this.#checkWanted.set()
  }

  /**
   * Takes our record out of the service and keeps it out: what is last said there of this node, sealed, is that it has left, and then
   * it is deleted. Resolves once the service has confirmed that.
   */
  leave(): Promise<void> {
    return this.#publisher.leave()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#publisher.end()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, backoff, log } = this.#options
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; ) {
      const session = new AbortController()
      this.#attempt = session
      const startedAt = clock.now()
      let isHealthy = false
      const abort = (): void => session.abort()
      signal.addEventListener('abort', abort, { once: true })
      try {
        const outcome = await this.#session(session.signal, () => {
          isHealthy = true
          this.#setRoute(afterSuccess(this.#route))
          this.#update({ lastContactAt: clock.now() })
        })
        if (outcome === 'redirected') continue
        this.#update({ problem: 'the service ended the watch' })
      } catch (error) {
        if (signal.aborted) break
        this.#update({ problem: clipped(messageOf(error)) })
      } finally {
        signal.removeEventListener('abort', abort)
        session.abort()
      }
      if (signal.aborted) break
      if (this.#isRedialling) {
        this.#isRedialling = false
        failures = 0
        continue
      }
      // One that ends what it has just begun, again and again, is no better than one that fails.
      if (isHealthy && clock.now() - startedAt >= STOOD) failures = 0
      failures += 1
      this.#setRoute(afterFailure(this.#route))
      const pause = backoff(failures)
      log.warn(
        { service: this.#options.name, problem: this.#status.problem, pauseMilliseconds: Math.round(pause) },
        'discovery connection lost',
      )
      this.#attempt = new AbortController()
      await sleep(clock, pause, AbortSignal.any([signal, this.#attempt.signal]))
      this.#isRedialling = false
    }
    this.#update({ connected: false })
  }

  /** One connection from Hello to the end of its watch. */
  async #session(signal: AbortSignal, onHealthy: () => void): Promise<'redirected' | 'ended'> {
    const { clock, dial } = this.#options
    const transport = dial(this.#route.current)
    this.#publisher.begins()
    try {
      const hello = await within(clock, HELLO_TIMEOUT, signal, 'Hello', (limit) => transport.hello(limit))
      this.#update({ lastContactAt: clock.now(), proof: hello.proof })
      if (hello.redirect !== undefined && hello.redirect !== '') {
        this.#follow(hello.redirect)
        return 'redirected'
      }
      // Only of a place that serves us: a chain of redirects would have us publish each of its answers.
      this.#told = rememberTold(this.#told, this.#status.endpoint, toldAddress(hello.clientIp))
      this.#update({ publicAddresses: this.#told.addresses })
      // Watch before Update: a change that falls between the two would otherwise be missed.
      const reading = this.#read(transport.watch(signal), signal)
      const serving = this.#publisher.serve(transport, signal, onHealthy)
      const checking = checkWhenWanted(transport, this.#checkWanted, clock, signal)
      const parts = [reading, serving, checking]
      // Whichever ends first ends the session; the others are cancelled with it, and their failures then are no news.
      for (const part of parts) part.catch(() => {})
      await Promise.race(parts)
      return 'ended'
    } finally {
      this.#publisher.ends()
      this.#update({ connected: false })
      transport.close()
    }
  }

  #follow(redirect: string): void {
    const next = routeBy(this.#route, redirect)
    if (typeof next === 'string') {
      this.#setRoute(routeTo(this.#options.endpoint))
      throw new Error(next)
    }
    this.#setRoute(next)
    const { name, endpoint } = this.#status
    this.#options.log.info({ service: name, endpoint }, 'discovery redirected')
  }

  async #read(messages: AsyncIterable<WatchMessage>, signal: AbortSignal): Promise<void> {
    const { clock, log, name } = this.#options
    let isSnapshot = true
    using silence = clock.after(SILENCE_TOLD_AFTER, () =>
      this.#update({ problem: `it has not answered the watch for ${SILENCE_TOLD_AFTER / 1000} s` }),
    )
    for await (const batch of batches(messages, clock, signal)) {
      silence[Symbol.dispose]()
      const reading = this.#reader.read(batch, isSnapshot)
      this.#publisher.sees(reading, isSnapshot)
      if (isSnapshot)
        log.info({ service: name, affiliates: this.table.affiliates.size }, 'discovery connected')
      isSnapshot = false
      const change = { connected: true, hasSnapshot: true, lastContactAt: clock.now(), problem: undefined }
      this.#update(change, reading.isChanged)
    }
  }

  #setRoute(route: Route): void {
    this.#route = route
    this.#update({ endpoint: formatHostPort(route.current), isRedirected: route.hops > 0 })
  }

  /** That something was heard is no news by itself. */
  #update(change: Partial<ClientStatus>, isNews = false): void {
    const before = JSON.stringify({ ...this.#status, lastContactAt: undefined })
    this.#status = { ...this.#status, ...change }
    const isOther = JSON.stringify({ ...this.#status, lastContactAt: undefined }) !== before
    if (isOther || isNews) this.#options.onChange()
  }
}
