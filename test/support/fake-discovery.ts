import type { ServiceEndpoint } from '../../kubespan/model/service-endpoint.ts'
import type { SealedAffiliate, WatchMessage } from '../../kubespan/sources/discovery/table.ts'
import {
  type DiscoveryTransport,
  type HelloAnswer,
  RefusedCall,
  type UpdateCall,
} from '../../kubespan/sources/discovery/transport.ts'
import { settle } from './manual-clock.ts'

/** A discovery service in memory: one cluster, any number of connections, and the faults that a test asks for. */
export class FakeDiscovery {
  readonly affiliates = new Map<string, SealedAffiliate>()
  readonly updates: UpdateCall[] = []
  readonly dialled: ServiceEndpoint[] = []
  hellos = 0
  clientIp: Uint8Array = Uint8Array.of(192, 0, 2, 7)
  redirect: ((endpoint: ServiceEndpoint) => string | undefined) | undefined
  /** While set, every call fails with it, as when the service is unreachable. */
  fault: Error | undefined
  /** While set, updates of this id are refused. */
  refuses: { readonly id: string; readonly retryable: boolean } | undefined
  /** For so many more endpoints in one update. */
  room = Number.POSITIVE_INFINITY
  refusesHello = false
  /** While set, calls never return until they are cancelled. */
  hangs = false
  /** While set, a watch says nothing by itself. */
  hasNoWatch = false
  /** While set, a watch breaks with it. */
  watchFault: Error | undefined
  /** While set, updates are taken and forgotten. */
  losesUpdates = false
  /** While set, nothing is said until it is let go. */
  isHoldingBack = false
  #heldBack: WatchMessage[] = []
  readonly #watchers = new Set<{ queue: WatchMessage[]; wake: () => void; ended: boolean }>()

  get watchers(): number {
    return this.#watchers.size
  }

  readonly dial = (endpoint: ServiceEndpoint): DiscoveryTransport => {
    this.dialled.push(endpoint)
    return {
      hello: (signal) => this.#hello(endpoint, signal),
      update: (call) => this.#update(call),
      remove: (id) => this.#remove(id),
      watch: (signal) => this.#watch(signal),
      close: () => {},
    }
  }

  /** Sends a message to every watcher as it is. */
  push(message: WatchMessage): void {
    if (this.isHoldingBack) {
      this.#heldBack.push(message)
      return
    }
    for (const watcher of this.#watchers) {
      watcher.queue.push(message)
      watcher.wake()
    }
  }

  letGo(): void {
    this.isHoldingBack = false
    for (const message of this.#heldBack.splice(0)) this.push(message)
  }

  /** As anybody may who knows the cluster id. */
  remove(id: string): void {
    if (this.affiliates.delete(id))
      this.push({ affiliates: [{ id, data: new Uint8Array(), endpoints: [] }], deleted: true })
  }

  /** Ends every watch, as a service does that stops. */
  endWatches(): void {
    for (const watcher of this.#watchers) {
      watcher.ended = true
      watcher.wake()
    }
  }

  async #hello(endpoint: ServiceEndpoint, signal: AbortSignal): Promise<HelloAnswer> {
    this.hellos += 1
    if (this.hangs)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cancelled'))))
    this.#mayFail()
    if (this.refusesHello) throw new RefusedCall('the client goes too fast', true)
    return { clientIp: this.clientIp, redirect: this.redirect?.(endpoint) }
  }

  async #update(call: UpdateCall): Promise<void> {
    this.#mayFail()
    if (this.refuses?.id === call.affiliateId)
      throw new RefusedCall('too many affiliates in the cluster', this.refuses.retryable)
    if (call.endpoints.length > this.room) throw new RefusedCall('too many endpoints in the affiliate', true)
    this.updates.push(call)
    if (this.losesUpdates) return
    const known = this.affiliates.get(call.affiliateId)
    const affiliate: SealedAffiliate = {
      id: call.affiliateId,
      data: call.data ?? known?.data ?? new Uint8Array(),
      endpoints: [...(known?.endpoints ?? []), ...call.endpoints],
    }
    this.affiliates.set(call.affiliateId, affiliate)
    this.push({ affiliates: [affiliate], deleted: false })
  }

  async #remove(id: string): Promise<void> {
    this.#mayFail()
    this.remove(id)
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<WatchMessage> {
    this.#mayFail()
    if (this.watchFault !== undefined) {
      // Our record has been taken by then.
      for (let turn = 0; turn < 3; turn += 1) await settle()
      throw this.watchFault
    }
    const snapshot = { affiliates: [...this.affiliates.values()], deleted: false }
    const watcher = {
      queue: (this.hasNoWatch ? [] : [snapshot]) as WatchMessage[],
      wake: () => {},
      ended: false,
    }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => watcher.wake())
    try {
      while (!signal.aborted) {
        const message = watcher.queue.shift()
        if (message !== undefined) yield message
        else if (watcher.ended) return
        else
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
      }
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  #mayFail(): void {
    if (this.fault !== undefined) throw this.fault
  }
}
