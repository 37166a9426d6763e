import type { Instant } from '../../shared/clock.ts'
import type { Affiliates, Change, ChangeSink } from '../state/clusters.ts'
import { Hub, type HubOptions, type Watcher, type WatcherSink } from './hub.ts'

/** Who watches what: a hub for every cluster that somebody watches, and for no other. */
export class Subscriptions implements ChangeSink {
  readonly #options: HubOptions
  readonly #hubs = new Map<string, Hub>()

  constructor(options: HubOptions) {
    this.#options = options
  }

  get watchers(): number {
    let watchers = 0
    for (const hub of this.#hubs.values()) watchers += hub.size
    return watchers
  }

  changed(clusterId: string, affiliateId: string, change: Change): void {
    this.#hubs.get(clusterId)?.changed(affiliateId, change === 'deleted')
  }

  /** `affiliates` is what the cluster holds at any time. The snapshot is sent before this returns. */
  watch(clusterId: string, affiliates: () => Affiliates, sink: WatcherSink): Watcher {
    let hub = this.#hubs.get(clusterId)
    if (hub === undefined) {
      hub = new Hub(affiliates, this.#options, () => this.#hubs.delete(clusterId))
      this.#hubs.set(clusterId, hub)
    }
    return hub.watch(sink)
  }

  endStalled(now: Instant): void {
    for (const hub of [...this.#hubs.values()]) hub.endStalled(now)
  }

  endAll(): void {
    for (const hub of [...this.#hubs.values()]) hub.end()
  }
}
