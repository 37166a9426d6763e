import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { Affiliates, Change, ChangeSink } from '../state/clusters.ts'
import { Hub, type HubOptions } from './hub.ts'
import type { Watcher, WatcherSink } from './watcher.ts'

export interface SubscriptionOptions extends HubOptions {
  readonly affiliatesOf: (clusterId: string) => Affiliates
  /** A watcher that has taken nothing for so long ends (SPEC 9, S16). */
  readonly stallLimit: Milliseconds
  /** Told of each watcher that could not be kept up to date, and why. */
  readonly onAbort: (reason: 'stalled' | 'behind') => void
}

/** Stalled watchers are looked at so often within the limit. */
const LOOKS_PER_LIMIT = 4
/** Who takes less between two looks is stalled: pings and short answers on the same connection are no progress. */
const PROGRESS_MIN_BYTES = 4096

/** Who watches what: a hub for every cluster that somebody watches, and for no other. */
export class Subscriptions implements ChangeSink {
  readonly #options: SubscriptionOptions
  readonly #hubs = new Map<string, Hub>()
  readonly #stalled = new Set<Watcher>()
  #alarm: Disposable | undefined
  #hasEnded = false

  constructor(options: SubscriptionOptions) {
    this.#options = options
  }

  get watchers(): number {
    let watchers = 0
    for (const hub of this.#hubs.values()) watchers += hub.size
    return watchers
  }

  /** Whether the service stops, and nobody may begin to watch. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  isWatched(clusterId: string): boolean {
    return this.#hubs.has(clusterId)
  }

  changed(clusterId: string, affiliateId: string, change: Change): void {
    this.#hubs.get(clusterId)?.changed(affiliateId, change)
  }

  /** The snapshot is on its way when the cluster's pace allows, at once when it was quiet. */
  watch(clusterId: string, sink: WatcherSink): Watcher {
    let hub = this.#hubs.get(clusterId)
    if (hub === undefined) {
      hub = this.#open(clusterId)
      this.#hubs.set(clusterId, hub)
    }
    return hub.watch(sink)
  }

  /** Ends every watcher well. */
  endAll(): void {
    this.#hasEnded = true
    for (const hub of this.#hubs.values()) hub.end('end')
  }

  /** Sends away the watchers of clusters that are not served any more; says how many those were. */
  keepOnly(isServed: (clusterId: string) => boolean): number {
    let sentAway = 0
    for (const [clusterId, hub] of this.#hubs) {
      if (isServed(clusterId)) continue
      sentAway += hub.size
      hub.end('forbid')
    }
    return sentAway
  }

  #open(clusterId: string): Hub {
    return new Hub(this.#options, {
      affiliates: () => this.#options.affiliatesOf(clusterId),
      stalled: (watcher) => {
        this.#stalled.add(watcher)
        this.#arm()
      },
      released: (watcher) => {
        this.#stalled.delete(watcher)
        if (this.#stalled.size === 0) this.#disarm()
      },
      lost: (watcher) => this.#abort(watcher, 'behind'),
      emptied: () => void this.#hubs.delete(clusterId),
    })
  }

  #abort(watcher: Watcher, reason: 'stalled' | 'behind'): void {
    this.#options.onAbort(reason)
    watcher.sink.abort()
  }

  #arm(): void {
    const { clock, stallLimit } = this.#options
    this.#alarm ??= clock.after(stallLimit / LOOKS_PER_LIMIT, () => {
      this.#alarm = undefined
      this.#endStalled(clock.now())
      if (this.#stalled.size > 0) this.#arm()
    })
  }

  #disarm(): void {
    this.#alarm?.[Symbol.dispose]()
    this.#alarm = undefined
  }

  #endStalled(now: Instant): void {
    for (const watcher of this.#stalled) {
      const { bytesTaken } = watcher.sink
      if (bytesTaken - watcher.bytesTaken >= PROGRESS_MIN_BYTES) {
        watcher.bytesTaken = bytesTaken
        watcher.stalledSince = now
      } else if (now - (watcher.stalledSince ?? now) >= this.#options.stallLimit) {
        watcher.close()
        this.#abort(watcher, 'stalled')
      }
    }
  }
}
