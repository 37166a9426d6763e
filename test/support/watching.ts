import { Clusters } from '../../discovery/state/clusters.ts'
import { FLUSH_PACING } from '../../discovery/subscription/flush.ts'
import { type SubscriptionOptions, Subscriptions } from '../../discovery/subscription/subscriptions.ts'
import type { Frame, Watcher, WatcherSink } from '../../discovery/subscription/watcher.ts'
import { ManualClock } from './manual-clock.ts'
import { viewLine } from './state-model.ts'

/** What a frame of `readableFrame` says. */
interface Told {
  readonly isDeleted: boolean
  readonly affiliates: readonly { readonly id: string; readonly line: string }[]
}

/** A client of Watch: it keeps the table that the messages make, and can be slow. */
export class FakeWatcher implements WatcherSink {
  readonly messages: string[] = []
  readonly view = new Map<string, string>()
  readonly frames: Frame[] = []
  ended: 'aborted' | 'forbidden' | 'ended' | undefined
  /** A slow one takes a message, and wants no more until it is told to go on. */
  isSlow = false
  bytesTaken = 0
  watcher: Watcher | undefined

  send(frame: Frame): boolean {
    this.frames.push(frame)
    const { isDeleted, affiliates }: Told = JSON.parse(String(frame))
    this.messages.push(`${isDeleted ? '-' : '+'}${affiliates.map(({ id }) => id).join(',')}`)
    for (const { id, line } of affiliates)
      if (isDeleted) this.view.delete(id)
      else this.view.set(id, line)
    return !this.isSlow
  }

  abort(): void {
    this.ended = 'aborted'
  }

  forbid(): void {
    this.ended = 'forbidden'
  }

  end(): void {
    this.ended = 'ended'
  }

  /** Reads what there is and goes on. */
  catchUp(): void {
    this.isSlow = false
    this.watcher?.drained()
  }

  take(): string[] {
    return this.messages.splice(0)
  }

  lines(): string[] {
    return [...this.view.values()].sort()
  }
}

/** State, subscriptions and time, without a wire. */
export class WatchedState {
  readonly clock = new ManualClock()
  readonly clusters: Clusters
  readonly subscriptions: Subscriptions
  readonly flushes: string[] = []
  readonly aborted: string[] = []

  constructor(over: Partial<SubscriptionOptions> = {}) {
    this.subscriptions = new Subscriptions({
      clock: this.clock,
      pacing: FLUSH_PACING,
      makeFrame: readableFrame,
      affiliatesOf: (clusterId) => this.clusters.affiliatesOf(clusterId),
      stallLimit: 60_000,
      onFlush: (watchers, coalesced) => this.flushes.push(`${watchers} told, ${coalesced} spared`),
      onAbort: (reason) => this.aborted.push(reason),
      ...over,
    })
    this.clusters = new Clusters(this.subscriptions)
  }

  watch(clusterId: string): FakeWatcher {
    const fake = new FakeWatcher()
    fake.watcher = this.subscriptions.watch(clusterId, fake)
    return fake
  }

  update(clusterId: string, id: string, data = 'x', ttl = 1e9, ...endpoints: string[]): void {
    this.clusters.update(clusterId, id, {
      data: Buffer.from(data),
      endpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
      expiresAt: this.clock.now() + ttl,
    })
  }
}

/** A message that a test can read: made of what really stands in the encoded affiliates. */
export function readableFrame(affiliates: readonly Uint8Array[], isDeleted: boolean): Frame {
  const told: Told = { isDeleted, affiliates: affiliates.map(readAffiliate) }
  return Buffer.from(JSON.stringify(told)) as unknown as Frame
}

function readAffiliate(encoded: Uint8Array): Told['affiliates'][number] {
  const values: Record<number, string[]> = {}
  let [, at] = lengthAt(encoded, 1)
  while (at < encoded.length) {
    const field = (encoded[at] as number) >> 3
    const [length, start] = lengthAt(encoded, at + 1)
    values[field] = [
      ...(values[field] ?? []),
      Buffer.from(encoded.subarray(start, start + length)).toString(),
    ]
    at = start + length
  }
  const id = values[1]?.[0] ?? ''
  return { id, line: viewLine(id, values[2]?.[0] ?? '', values[3] ?? []) }
}

function lengthAt(bytes: Uint8Array, at: number): [length: number, next: number] {
  let length = 0
  let next = at
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[next++] as number
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return [length, next]
  }
}
