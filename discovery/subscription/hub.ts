import type { Clock } from '../../shared/clock.ts'
import { encodeAffiliate } from '../state/affiliate-bytes.ts'
import type { Affiliates, Change } from '../state/clusters.ts'
import { type FlushPacing, flushDelay } from './flush.ts'
import { RevisionLog } from './revision-log.ts'
import { type Frame, Watcher, type WatcherKeeper, type WatcherSink } from './watcher.ts'

/** Puts encoded affiliates into one message. `deleted` is the flag of WatchResponse. */
export type FrameMaker = (affiliates: readonly Uint8Array[], deleted: boolean) => Frame

export interface HubOptions {
  readonly clock: Clock
  readonly pacing: FlushPacing
  readonly makeFrame: FrameMaker
  /** How many watchers were told, and how many changes they were spared because later ones covered them. */
  readonly onFlush: (watchers: number, coalesced: number) => void
}

/** What a hub asks of those around it. */
export interface HubSurroundings {
  /** What the cluster holds now. */
  affiliates(): Affiliates
  /** The watcher has stopped to read. */
  stalled(watcher: Watcher): void
  /** The watcher reads again, or is gone. */
  released(watcher: Watcher): void
  /** The log does not reach back to what the watcher has. It is forgotten already. */
  lost(watcher: Watcher): void
  /** Nobody watches any more. */
  emptied(): void
}

/** What takes watchers from one revision to the newest. */
interface Delivery {
  readonly frames: readonly Frame[]
  readonly coalesced: number
}

/**
 * All watchers of one cluster, and the log of what they have not all seen. Exists only while somebody watches. New
 * watchers get their snapshot, and old ones what has changed, at the next flush: all at the same revision get the same
 * bytes, and snapshot and subscription are one step, with no gap and no repetition (SPEC 1.5).
 */
export class Hub implements WatcherKeeper {
  readonly #options: HubOptions
  readonly #around: HubSurroundings
  readonly #log = new RevisionLog()
  readonly #watchers = new Set<Watcher>()
  /** By the revision it starts from; forgotten with the next change. */
  readonly #deliveries = new Map<number | undefined, Delivery | undefined>()
  #lastFlushAt = -Infinity
  #lastFlushCost = 0
  #alarm: Disposable | undefined

  constructor(options: HubOptions, around: HubSurroundings) {
    this.#options = options
    this.#around = around
  }

  get size(): number {
    return this.#watchers.size
  }

  watch(sink: WatcherSink): Watcher {
    const watcher = new Watcher(sink, this)
    this.#watchers.add(watcher)
    this.#arm()
    return watcher
  }

  changed(affiliateId: string, change: Change): void {
    this.#log.record(affiliateId, change)
    this.#deliveries.clear()
    this.#arm()
  }

  drained(watcher: Watcher): void {
    if (watcher.stalledSince === undefined || !this.#watchers.has(watcher)) return
    watcher.stalledSince = undefined
    this.#around.released(watcher)
    if (watcher.revision !== this.#log.revision) this.#arm()
  }

  closed(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return
    if (watcher.stalledSince !== undefined) this.#around.released(watcher)
    if (this.#watchers.size > 0) return
    this.#alarm?.[Symbol.dispose]()
    this.#around.emptied()
  }

  /** Ends every watcher: well, as the service does when it stops, or because the cluster is not served any more. */
  end(how: 'end' | 'forbid'): void {
    for (const watcher of this.#watchers) {
      this.closed(watcher)
      watcher.sink[how]()
    }
  }

  #arm(): void {
    if (this.#alarm !== undefined) return
    const { clock, pacing } = this.#options
    const history = { lastFlushAt: this.#lastFlushAt, lastFlushCost: this.#lastFlushCost }
    this.#alarm = clock.after(flushDelay(history, clock.now(), pacing), () => {
      this.#alarm = undefined
      this.#flush()
    })
  }

  #flush(): void {
    const { clock, onFlush } = this.#options
    const { revision } = this.#log
    this.#lastFlushAt = clock.now()
    let told = 0
    let coalesced = 0
    let slowest = revision
    for (const watcher of this.#watchers) {
      if (watcher.stalledSince === undefined && watcher.revision !== revision) {
        told += 1
        coalesced += this.#deliver(watcher, revision)
      }
      if (watcher.revision !== undefined && watcher.revision < slowest) slowest = watcher.revision
    }
    if (told > 0) this.#log.seen(slowest)
    this.#deliveries.clear() // they may be large, and what comes next makes them useless
    this.#lastFlushCost = clock.now() - this.#lastFlushAt
    onFlush(told, coalesced)
  }

  /** Answers how many changes the watcher was spared. */
  #deliver(watcher: Watcher, revision: number): number {
    const delivery = this.#deliveryFrom(watcher.revision)
    if (delivery === undefined) {
      this.closed(watcher)
      this.#around.lost(watcher)
      return 0
    }
    watcher.revision = revision
    let isReady = true
    for (const frame of delivery.frames) isReady = watcher.sink.send(frame)
    if (!isReady) {
      watcher.stalledSince = this.#options.clock.now()
      watcher.bytesTaken = watcher.sink.bytesTaken
      this.#around.stalled(watcher)
    }
    return delivery.coalesced
  }

  #deliveryFrom(revision: number | undefined): Delivery | undefined {
    const known = this.#deliveries.get(revision)
    if (known !== undefined || this.#deliveries.has(revision)) return known
    const made = revision === undefined ? this.#snapshot() : this.#changesSince(revision)
    this.#deliveries.set(revision, made)
    return made
  }

  #snapshot(): Delivery {
    const encoded = Array.from(this.#around.affiliates().values(), (affiliate) => affiliate.encoded)
    return { frames: [this.#options.makeFrame(encoded, false)], coalesced: 0 }
  }

  #changesSince(revision: number): Delivery | undefined {
    const changes = this.#log.since(revision)
    if (changes === undefined) return undefined
    const { deletedIds, updatedIds } = changes
    const { makeFrame } = this.#options
    const affiliates = this.#around.affiliates()
    const frames: Frame[] = []
    if (deletedIds.length > 0) frames.push(makeFrame(deletedIds.map(encodeDeletion), true))
    const updated = updatedIds.flatMap((id) => affiliates.get(id)?.encoded ?? [])
    if (updated.length > 0) frames.push(makeFrame(updated, false))
    const told = deletedIds.length + updated.length
    return { frames, coalesced: this.#log.revision - revision - told }
  }
}

/** A deletion is told as an affiliate that is nothing but its id (SPEC 1.5). */
const encodeDeletion = (id: string): Uint8Array => encodeAffiliate(id, undefined, [], 0).encoded
