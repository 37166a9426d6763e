import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import { encodeAffiliate } from '../state/affiliate-bytes.ts'
import type { Affiliates } from '../state/clusters.ts'
import { type FlushHistory, type FlushPacing, flushDelay } from './flush.ts'
import { RevisionLog } from './revision-log.ts'

/** A whole message, framed for the wire. Every watcher at the same revision is sent the same one. */
export type Frame = Uint8Array & { readonly frame: unique symbol }

/** Puts elements (encoded affiliates) into one message. `deleted` is the flag of WatchResponse. */
export type FrameMaker = (elements: readonly Uint8Array[], deleted: boolean) => Frame

/** Where a watcher's messages go. */
export interface WatcherSink {
  /** False when the reader is slow and should be given no more until `ready` is called on its watcher. */
  send(frame: Frame): boolean
  /** The watcher cannot be brought up to date any more. It is already forgotten. */
  abort(): void
  /** The service ends: the stream ends well. It is already forgotten. */
  end(): void
}

export interface HubOptions {
  readonly clock: Clock
  readonly pacing: FlushPacing
  readonly makeFrame: FrameMaker
  /** A watcher that has not read for so long ends. */
  readonly stallLimit: Milliseconds
  /** Told of flushes, for metrics: how many watchers, and how many changes of affiliates they did not need to hear of one by one. */
  readonly onFlush: (watchers: number, coalesced: number) => void
  /** Told of each watcher that could not be brought up to date. */
  readonly onAbort: () => void
}

/** One watcher: what it has seen, and whether it can take more. */
export interface Watcher {
  /** The sink can take more. */
  ready(): void
  /** The stream has ended. */
  close(): void
}

interface Entry extends Watcher {
  readonly sink: WatcherSink
  /** The revision that the watcher has; -1 before its snapshot. */
  revision: number
  /** Since when it takes no more; undefined while it does. */
  stalledSince: Instant | undefined
}

/** All watchers of one cluster. Exists only while there are any: a cluster that nobody watches keeps no log. */
export class Hub {
  /** What the cluster holds now: a live view. */
  readonly #affiliates: () => Affiliates
  /** Nobody watches any more. */
  readonly #onEmpty: () => void
  readonly #options: HubOptions
  readonly #log = new RevisionLog()
  readonly #watchers = new Set<Entry>()
  /** What takes a watcher from a revision to the newest; forgotten with the next change. */
  readonly #frames = new Map<number, readonly Frame[]>()
  /** Who was there when the log began. */
  readonly #first: ReadonlySet<string>
  #history: FlushHistory = { lastFlushAt: -Infinity, lastFlushCost: 0 }
  #scheduled: Disposable | undefined
  #changesSinceFlush = 0

  constructor(affiliates: () => Affiliates, options: HubOptions, onEmpty: () => void) {
    this.#affiliates = affiliates
    this.#options = options
    this.#onEmpty = onEmpty
    this.#first = new Set(affiliates().keys())
  }

  get size(): number {
    return this.#watchers.size
  }

  /** The snapshot is sent at once: subscription and snapshot are one step, with no gap and no repetition (SPEC 1.5). */
  watch(sink: WatcherSink): Watcher {
    const entry: Entry = {
      sink,
      revision: -1,
      stalledSince: undefined,
      ready: () => this.#ready(entry),
      close: () => this.#remove(entry),
    }
    this.#watchers.add(entry)
    this.#deliver(entry)
    return entry
  }

  changed(affiliateId: string, isDeleted: boolean): void {
    this.#log.note(affiliateId, isDeleted, this.#first.has(affiliateId))
    this.#frames.clear()
    this.#changesSinceFlush += 1
    this.#schedule()
  }

  /** Ends watchers that have not read for too long (SPEC 9, S16). Called by the sweep. */
  endStalled(now: Instant): void {
    for (const entry of [...this.#watchers])
      if (entry.stalledSince !== undefined && now - entry.stalledSince >= this.#options.stallLimit)
        this.#abort(entry)
  }

  /** Ends every watcher, as the service does when it stops. */
  end(): void {
    for (const entry of [...this.#watchers]) {
      this.#remove(entry)
      entry.sink.end()
    }
  }

  #schedule(): void {
    if (this.#scheduled !== undefined) return
    const { clock, pacing } = this.#options
    const delay = flushDelay(this.#history, clock.now(), pacing)
    this.#scheduled = clock.after(delay, () => {
      this.#scheduled = undefined
      this.#flush()
    })
  }

  #flush(): void {
    const { clock, onFlush } = this.#options
    const startedAt = clock.now()
    let told = 0
    for (const entry of this.#watchers)
      if (entry.stalledSince === undefined && entry.revision !== this.#log.revision) {
        this.#deliver(entry)
        told += 1
      }
    this.#history = { lastFlushAt: startedAt, lastFlushCost: clock.now() - startedAt }
    onFlush(told, told * Math.max(0, this.#changesSinceFlush - 1))
    this.#changesSinceFlush = 0
  }

  #deliver(entry: Entry): void {
    const frames = this.#framesSince(entry.revision)
    if (frames === undefined) return this.#abort(entry)
    entry.revision = this.#log.revision
    for (const frame of frames) if (!entry.sink.send(frame)) entry.stalledSince ??= this.#options.clock.now()
  }

  #ready(entry: Entry): void {
    entry.stalledSince = undefined
    if (entry.revision !== this.#log.revision && this.#watchers.has(entry)) this.#deliver(entry)
  }

  #framesSince(revision: number): readonly Frame[] | undefined {
    const cached = this.#frames.get(revision)
    if (cached !== undefined) return cached
    const frames = revision < 0 ? [this.#snapshot()] : this.#changeFrames(revision)
    if (frames !== undefined) this.#frames.set(revision, frames)
    return frames
  }

  #snapshot(): Frame {
    return this.#options.makeFrame(
      Array.from(this.#affiliates().values(), ({ encoded }) => encoded),
      false,
    )
  }

  #changeFrames(revision: number): readonly Frame[] | undefined {
    const changes = this.#log.since(revision)
    if (changes === undefined) return undefined
    const { makeFrame } = this.#options
    const affiliates = this.#affiliates()
    const frames: Frame[] = []
    if (changes.deletedIds.length > 0)
      frames.push(
        makeFrame(
          changes.deletedIds.map((id) => encodeAffiliate(id, undefined, []).encoded),
          true,
        ),
      )
    const updated = changes.updatedIds.flatMap((id) => affiliates.get(id)?.encoded ?? [])
    if (updated.length > 0) frames.push(makeFrame(updated, false))
    return frames
  }

  #abort(entry: Entry): void {
    this.#remove(entry)
    this.#options.onAbort()
    entry.sink.abort()
  }

  #remove(entry: Entry): void {
    if (!this.#watchers.delete(entry) || this.#watchers.size > 0) return
    this.#scheduled?.[Symbol.dispose]()
    this.#scheduled = undefined
    this.#onEmpty()
  }
}
