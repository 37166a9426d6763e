import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { sealStamp } from '../../../shared/affiliate/seal.ts'
import type { Instant, Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import { sleep, within } from '../../../shared/waiting.ts'
import { Wake } from '../../../shared/wake.ts'
import type { ClientStatus, DiscoveryClientOptions } from './client-options.ts'
import { type DoubleSeen, DoubleWatch } from './double.ts'
import { OthersRecord, tellOthers } from './others.ts'
import { farewellOf, type OwnRecord, sealAnew, sealOwnRecord } from './own-record.ts'
import type { OwnSeals } from './own-seals.ts'
import * as presence from './presence.ts'
import type { Reading } from './reader.ts'
import { SEALED_AHEAD_MAX } from './table.ts'
import { type DiscoveryTransport, RefusedCall } from './transport.ts'
import { describeNoRoom, updateWithRoom } from './update-with-room.ts'

/** SPEC 2.3. */
export const REFRESH_TIMEOUT: Milliseconds = 30_000
/** What takes up the room of ours at a service is gone within its own TTL. */
const RETRIES_WITHIN_TTL = 6
/** Where strangers have taken all the room for our endpoints, the record begins anew, so often at most. */
const CLEARED_EVERY: Milliseconds = 60_000
/** Who was refused because there was no room is back within seconds of there being some. */
const REFUSED_PAUSE_MAX: Milliseconds = 10_000
/** A service that does not show our last word within this time has not told others either, and will not. */
const FAREWELL_LIMIT: Milliseconds = 2_000
/** Replicas of one service tell others a little later than us. */
const FAREWELL_STANDS: Milliseconds = 250

/** What one service is told by us, and whether it has it. */
export class Publisher {
  readonly #options: DiscoveryClientOptions
  readonly #seals: OwnSeals
  readonly #onChange: () => void
  readonly #refreshWanted = new Wake()
  readonly #others = new OthersRecord()
  readonly #doubles: DoubleWatch
  #local: OwnRecord | undefined
  #presence = presence.NOT_PRESENT
  #again: Disposable | undefined
  #refusal: string | undefined
  #noRoom: string | undefined
  /** What was said last of that. */
  #told: string
  #double: DoubleSeen | undefined
  #deletion: PromiseWithResolvers<void> | undefined
  /** Another record stood in the place of ours, so others would take ours, as it was sealed, for an old one. */
  #isReplaced = false
  #clearedAt: Instant = -Infinity
  #hasLeft = false
  /** What is last said of this node. */
  #farewell: { readonly stamp: string; readonly shown: Wake } | undefined

  constructor(options: DiscoveryClientOptions, seals: OwnSeals, onChange: () => void) {
    this.#options = options
    this.#seals = seals
    this.#onChange = onChange
    this.#doubles = new DoubleWatch(options.clock, () => this.renew())
    this.#told = JSON.stringify(this.#judge())
  }

  /** Whether others can learn of us there, and who else publishes under our id. */
  get report(): Pick<ClientStatus, 'problem' | 'isUnpublished' | 'double'> {
    return { ...this.#judge(), double: this.#double }
  }

  /** Equal values are not sent again: the echo of our own update would loop. What does not fit is not sent at all (C5). */
  publish(affiliate: Affiliate): void {
    const record = sealOwnRecord(affiliate, this.#options.key, this.#local, this.#nextSealedAt)
    if (record === this.#local) return
    this.#local = record
    this.#presence = presence.changed(this.#presence)
    this.#refreshWanted.set()
    if (record.data === undefined) this.#onChange()
  }

  /** Publishes our record once more, sealed anew: who watches sees that we are there. */
  renew(): void {
    if (this.#local === undefined || this.#deletion !== undefined) return
    this.#sealAnew()
    this.#refreshWanted.set()
  }

  #sealAnew(): void {
    this.#isReplaced = false
    if (this.#local !== undefined) this.#local = sealAnew(this.#local, this.#options.key, this.#nextSealedAt)
  }

  publishOthers(endpoints: ReadonlyMap<string, readonly AddressPort[]>): void {
    if (this.#others.want(endpoints)) this.#refreshWanted.set()
  }

  leave(): Promise<void> {
    this.#deletion ??= Promise.withResolvers()
    this.#refreshWanted.set()
    return this.#deletion.promise
  }

  /** A connection begins: the service may not remember, and has shown nothing. */
  begins(): void {
    this.#others.forgetTold()
    this.#doubles.begins()
    this.#become({ ...presence.NOT_PRESENT, deletions: this.#presence.deletions })
  }

  /** A connection has ended. */
  ends(): void {
    this.#again?.[Symbol.dispose]()
  }

  end(): void {
    this.ends()
    this.#doubles.end()
  }

  /** Takes up what the Watch has said of our own record. */
  sees({ own, foreign }: Reading, isSnapshot: boolean): void {
    if (foreign !== undefined) {
      this.#double = this.#doubles.sees(foreign)
      this.#seals.overtake(Math.min(foreign.sealedAt ?? 0, this.#options.clock.wall() + SEALED_AHEAD_MAX))
    }
    if (own === undefined) return
    if (own !== 'missing' && own.stamp === this.#farewell?.stamp) this.#farewell.shown.set()
    const isDeletion = own === 'missing' && !isSnapshot && this.#deletion === undefined
    const shown = own === 'missing' ? own : this.#judgeShown(own.stamp, foreign !== undefined)
    this.#isReplaced ||= shown === 'foreign' || shown === 'outdated'
    this.#become(presence.shown(this.#presence, shown, isDeletion, this.#options.clock.now()))
  }

  /** Refreshes when something changed, and at half the TTL when nothing did. */
  async serve(transport: DiscoveryTransport, signal: AbortSignal, onHealthy: () => void): Promise<void> {
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
        if (this.#deletion === undefined)
          await tellOthers(this.#others, transport, {
            ...{ ...this.#options, signal, timeout: REFRESH_TIMEOUT },
            isOvertaken: () => this.#refreshWanted.isSet,
          })
      } catch (error) {
        // The watch is fine although our record is refused: keep it, and try again later (C6).
        if (!(error instanceof RefusedCall)) throw error
        refusals += 1
        this.#refusal = error.message
        this.#become(presence.refused(this.#presence))
        log.warn({ service: name, problem: error.message }, 'own record refused')
        if (error.retryable) pause = Math.min(REFUSED_PAUSE_MAX, backoff(refusals))
      }
      const alarm = clock.after(pause, () => this.#refreshWanted.set())
      await this.#refreshWanted.wait(signal)
      alarm[Symbol.dispose]()
    }
  }

  /** False when the service has no room for all of our endpoints. */
  async #refresh(transport: DiscoveryTransport, signal: AbortSignal): Promise<boolean> {
    const { ownId, ttl, clock } = this.#options
    if (this.#deletion !== undefined) {
      if (!this.#hasLeft) await this.#sayFarewell(transport, signal)
      await transport.remove(ownId, signal)
      this.#hasLeft = true
      this.#deletion.resolve()
      return true
    }
    if (this.#isReplaced) this.#sealAnew()
    const local = this.#local
    if (local?.data === undefined) return true
    const { data, endpoints, plaintext } = local
    this.#become(presence.sending(this.#presence))
    await this.#seals.add(sealStamp(data), plaintext)
    const update = (): Promise<number> =>
      updateWithRoom(endpoints, (some) =>
        transport.update({ affiliateId: ownId, data, endpoints: some, ttl }, signal),
      )
    let taken = await update()
    if (taken === 0 && endpoints.length > 0 && clock.now() - this.#clearedAt >= CLEARED_EVERY) {
      this.#clearedAt = clock.now()
      await transport.remove(ownId, signal)
      taken = await update()
    }
    this.#doubles.published()
    this.#refusal = undefined
    this.#noRoom = describeNoRoom(taken, endpoints.length)
    this.#become(presence.taken(this.#presence, clock.now()))
    return taken === endpoints.length
  }

  readonly #nextSealedAt = (): UnixMilliseconds => this.#seals.nextSealedAt(this.#options.clock.wall())

  /**
   * Says, sealed, that this node has left, and waits until the service has told others: of what is deleted in the same moment it would
   * tell nothing. One that refuses it is left without.
   */
  async #sayFarewell(transport: DiscoveryTransport, signal: AbortSignal): Promise<void> {
    const { ownId, ttl, key, clock } = this.#options
    // Of two machines with one node id it would be the last word of both.
    const isDoubled = clock.now() - (this.#double?.at ?? -Infinity) < ttl
    if (this.#local === undefined || isDoubled) return
    const record = sealOwnRecord(farewellOf(this.#local.affiliate), key, undefined, this.#nextSealedAt)
    const { data, endpoints, plaintext } = record
    if (data === undefined) return
    const stamp = sealStamp(data)
    await this.#seals.add(stamp, plaintext)
    const shown = new Wake()
    this.#farewell = { stamp, shown }
    try {
      await transport.update({ affiliateId: ownId, data, endpoints, ttl }, signal)
    } catch (error) {
      if (!(error instanceof RefusedCall)) throw error
      return
    }
    using _limit = clock.after(FAREWELL_LIMIT, () => shown.set())
    await shown.wait(signal)
    await sleep(clock, FAREWELL_STANDS, signal)
  }

  /** Several connections to one service, under several names, each seal the same: what it says counts. */
  #judgeShown(stamp: string, isForeign: boolean): presence.Shown {
    if (this.#local !== undefined && this.#seals.isOf(stamp, this.#local.plaintext)) return 'ours'
    return isForeign ? 'foreign' : 'outdated'
  }

  #become(next: presence.Presence): void {
    const { clock } = this.#options
    this.#presence = next
    this.#again?.[Symbol.dispose]()
    const isAway = this.#deletion !== undefined || this.#local?.data === undefined
    const again = isAway ? undefined : presence.publishAgainIn(next, clock.now())
    if (again === 0) this.#refreshWanted.set()
    else if (again !== undefined) this.#again = clock.after(again, () => this.#refreshWanted.set())
    const told = JSON.stringify(this.#judge())
    if (told !== this.#told) this.#onChange()
    this.#told = told
  }

  #judge(): Pick<ClientStatus, 'problem' | 'isUnpublished'> {
    const local = this.#local
    if (local !== undefined && local.data === undefined)
      return { problem: local.problem, isUnpublished: true }
    if (this.#refusal !== undefined) return { problem: this.#refusal, isUnpublished: true }
    const absence = presence.describeAbsence(this.#presence, this.#options.clock.now())
    return absence ?? { problem: this.#noRoom ?? local?.problem, isUnpublished: false }
  }
}
