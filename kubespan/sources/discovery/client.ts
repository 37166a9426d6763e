import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { sealStamp } from '../../../shared/affiliate/seal.ts'
import type { Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import { sleep, within } from '../../../shared/waiting.ts'
import { Wake } from '../../../shared/wake.ts'
import { formatHostPort } from '../../model/service-endpoint.ts'
import { checkWhenWanted } from './check-connection.ts'
import type { ClientStatus, DiscoveryClientOptions } from './client-options.ts'
import { DoubleWatch } from './double.ts'
import { OthersRecord, tellOthers } from './others.ts'
import { farewellOf, type OwnRecord, sealAnew, sealOwnRecord } from './own-record.ts'
import { OwnSeals } from './own-seals.ts'
import { afterFailure, afterSuccess, type Route, routeBy, routeTo } from './redirect.ts'
import { type AffiliateTable, applyWatchMessage, EMPTY_TABLE, type WatchMessage } from './table.ts'
import { NO_TOLD_ADDRESSES, rememberTold, type ToldAddresses, toldAddress } from './told-addresses.ts'
import { type DiscoveryTransport, RefusedCall } from './transport.ts'
import { describeNoRoom, updateWithRoom } from './update-with-room.ts'

/** SPEC 2.3. */
export const HELLO_TIMEOUT: Milliseconds = 10_000
export const REFRESH_TIMEOUT: Milliseconds = 30_000
/** What takes up the room of ours at a service is gone within its own TTL. */
const RETRIES_WITHIN_TTL = 6

/**
 * One node's conversation with one discovery service (SPEC 2.3): Hello, Watch, Update, and again from
 * the start with growing pauses whenever any of it breaks. Owns no decision about what is published.
 */
export class DiscoveryClient implements AsyncDisposable {
  readonly #options: DiscoveryClientOptions
  readonly #stop = new AbortController()
  readonly #refreshWanted = new Wake()
  readonly #checkWanted = new Wake()
  #running: Promise<void> | undefined
  /** The session, or the pause before the next, that is under way. */
  #attempt: AbortController | undefined
  #isRedialling = false
  #route: Route
  #table: AffiliateTable = EMPTY_TABLE
  #told: ToldAddresses = NO_TOLD_ADDRESSES
  #local: OwnRecord | undefined
  readonly #others = new OthersRecord()
  #deletion: PromiseWithResolvers<void> | undefined
  #status: ClientStatus
  #reported = new Set<string>()
  readonly #seals: OwnSeals
  readonly #doubles: DoubleWatch

  constructor(options: DiscoveryClientOptions) {
    this.#options = options
    this.#route = routeTo(options.endpoint)
    this.#seals = options.seals ?? new OwnSeals()
    this.#doubles = new DoubleWatch(options.clock, () => this.renew())
    this.#status = {
      name: options.name,
      endpoint: formatHostPort(options.endpoint),
      isRedirected: false,
      connected: false,
      hasSnapshot: false,
      lastContactAt: undefined,
      publicAddresses: [],
      isUnpublished: false,
      problem: 'not connected yet',
    }
  }

  /** What the service has told us so far. Survives a lost connection: absence of news is not news of absence. */
  get table(): AffiliateTable {
    return this.#table
  }

  get status(): ClientStatus {
    return this.#status
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Sets what this node says of itself. Equal values are not sent again: the echo of our own update would loop.
   * Oversized data is not sent at all (C5) and is told as the status' problem.
   */
  publish(affiliate: Affiliate): void {
    const record = sealOwnRecord(affiliate, this.#options.key, this.#local, this.#nextSealedAt)
    if (record === this.#local) return
    if (record.data === undefined) this.#update({ problem: record.problem, isUnpublished: true })
    this.#local = record
    this.#refreshWanted.set()
  }

  /** Publishes our record once more, sealed anew: who watches sees that we are there. */
  renew(): void {
    if (this.#local === undefined || this.#deletion !== undefined) return
    this.#local = sealAnew(this.#local, this.#options.key, this.#nextSealedAt)
    this.#refreshWanted.set()
  }

  /** Sets the endpoints that we have seen working for others, by node id (SPEC 6.4, harvest). */
  publishOthers(endpoints: ReadonlyMap<string, readonly AddressPort[]>): void {
    if (this.#others.want(endpoints)) this.#refreshWanted.set()
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
   * it is deleted. Resolves once the service has confirmed both.
   */
  leave(): Promise<void> {
    this.#deletion ??= Promise.withResolvers()
    this.#refreshWanted.set()
    return this.#deletion.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#doubles.end()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, backoff, log } = this.#options
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; ) {
      const session = new AbortController()
      this.#attempt = session
      const abort = (): void => session.abort()
      signal.addEventListener('abort', abort, { once: true })
      try {
        const outcome = await this.#session(session.signal, () => {
          failures = 0
        })
        if (outcome === 'redirected') continue
        this.#update({ problem: 'the service ended the watch' })
      } catch (error) {
        if (signal.aborted) break
        this.#update({ problem: messageOf(error) })
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
    this.#others.forgetTold()
    this.#doubles.begins()
    try {
      const hello = await within(clock, HELLO_TIMEOUT, signal, 'Hello', (limit) => transport.hello(limit))
      this.#update({ lastContactAt: clock.now() })
      if (hello.redirect !== undefined && hello.redirect !== '') {
        this.#follow(hello.redirect)
        return 'redirected'
      }
      // Only of a place that serves us: a chain of redirects would have us publish each of its answers.
      this.#told = rememberTold(this.#told, this.#status.endpoint, toldAddress(hello.clientIp))
      this.#update({ publicAddresses: this.#told.addresses })
      // Watch before Update: a change that falls between the two would otherwise be missed.
      const reading = this.#read(transport.watch(signal))
      const serving = this.#serve(transport, signal, onHealthy)
      const checking = checkWhenWanted(transport, this.#checkWanted, clock, signal)
      const parts = [reading, serving, checking]
      // Whichever ends first ends the session; the others are cancelled with it, and their failures then are no news.
      for (const part of parts) part.catch(() => {})
      await Promise.race(parts)
      return 'ended'
    } finally {
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

  async #read(messages: AsyncIterable<WatchMessage>): Promise<void> {
    const { clock, ownId, key, ttl, log, name } = this.#options
    let isSnapshot = true
    for await (const message of messages) {
      const change = applyWatchMessage(this.#table, message, isSnapshot, {
        ...{ ownId, key, ttl, now: clock.now() },
        isOwnSeal: (stamp) => this.#seals.has(stamp),
      })
      this.#table = change.table
      for (const { id, what } of change.problems) {
        const once = `${id} ${what}`
        if (this.#reported.size < 1000 && !this.#reported.has(once)) {
          this.#reported.add(once)
          log.warn({ service: name, affiliate: id, problem: what }, 'part of an affiliate passed over')
        }
      }
      if (change.ownIsMissing && !isSnapshot && this.#deletion === undefined) this.#refreshWanted.set()
      if (change.foreign !== undefined) this.#update({ double: this.#doubles.sees(change.foreign) })
      if (isSnapshot)
        log.info({ service: name, affiliates: this.#table.affiliates.size }, 'discovery connected')
      isSnapshot = false
      this.#update({ connected: true, hasSnapshot: true, lastContactAt: clock.now() })
    }
  }

  /** Refreshes when something changed, and at half the TTL when nothing did. */
  async #serve(transport: DiscoveryTransport, signal: AbortSignal, onHealthy: () => void): Promise<void> {
    const { clock, ttl, backoff, log, name } = this.#options
    for (let refusals = 0; !signal.aborted; ) {
      let pause = ttl / 2
      this.#refreshWanted.clear()
      try {
        const refresh = (limit: AbortSignal): Promise<boolean> => this.#refresh(transport, limit)
        if (!(await within(clock, REFRESH_TIMEOUT, signal, 'refresh', refresh)))
          pause = ttl / RETRIES_WITHIN_TTL
        refusals = 0
        onHealthy()
        this.#setRoute(afterSuccess(this.#route))
        this.#update({ lastContactAt: clock.now() })
        if (this.#deletion === undefined)
          await tellOthers(this.#others, transport, {
            ...{ ...this.#options, signal, timeout: REFRESH_TIMEOUT },
            isOvertaken: () => this.#refreshWanted.isSet,
          })
      } catch (error) {
        // The watch is fine although our record is refused: keep it, and try again later (C6).
        if (!(error instanceof RefusedCall)) throw error
        refusals += 1
        this.#update({ problem: error.message, isUnpublished: true })
        log.warn({ service: name, problem: error.message }, 'own record refused')
        if (error.retryable) pause = backoff(refusals)
      }
      const alarm = clock.after(pause, () => this.#refreshWanted.set())
      await this.#refreshWanted.wait(signal)
      alarm[Symbol.dispose]()
    }
  }

  /** False when the service has no room for all of our endpoints. */
  async #refresh(transport: DiscoveryTransport, signal: AbortSignal): Promise<boolean> {
    const { ownId, ttl } = this.#options
    if (this.#deletion !== undefined) {
      await this.#sayFarewell(transport, signal)
      await transport.remove(ownId, signal)
      this.#deletion.resolve()
      return true
    }
    const local = this.#local
    if (local?.data === undefined) return true
    const { data, endpoints } = local
    await this.#seals.add(sealStamp(data))
    const taken = await updateWithRoom(endpoints, (some) =>
      transport.update({ affiliateId: ownId, data, endpoints: some, ttl }, signal),
    )
    this.#doubles.published()
    this.#update({ problem: describeNoRoom(taken, endpoints.length) ?? local.problem, isUnpublished: false })
    return taken === endpoints.length
  }

  /** A service that refuses it is left without one. */
  async #sayFarewell(transport: DiscoveryTransport, signal: AbortSignal): Promise<void> {
    const { ownId, ttl, key } = this.#options
    if (this.#local === undefined) return
    const affiliate = farewellOf(this.#local.affiliate)
    const { data, endpoints } = sealOwnRecord(affiliate, key, undefined, this.#nextSealedAt)
    if (data === undefined) return
    await this.#seals.add(sealStamp(data))
    try {
      await transport.update({ affiliateId: ownId, data, endpoints, ttl }, signal)
    } catch (error) {
      if (!(error instanceof RefusedCall)) throw error
    }
  }

  readonly #nextSealedAt = (): UnixMilliseconds => this.#seals.nextSealedAt(this.#options.clock.wall())

  #setRoute(route: Route): void {
    this.#route = route
    this.#update({ endpoint: formatHostPort(route.current), isRedirected: route.hops > 0 })
  }

  #update(change: Partial<ClientStatus>): void {
    this.#status = { ...this.#status, ...change }
    this.#options.onChange()
  }
}
