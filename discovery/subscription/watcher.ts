import type { Instant } from '../../shared/clock.ts'

/** A whole message, framed for the wire. Every watcher at the same revision is sent the same one. */
export type Frame = Buffer & { readonly frame: unique symbol }

/** Where a watcher's messages go. */
export interface WatcherSink {
  /** False when the reader is slow: it is given no more until its watcher hears `drained`. */
  send(frame: Frame): boolean
  /** Grows while the reader takes anything. */
  readonly bytesTaken: number
  /** The watcher cannot be brought up to date any more. It is forgotten already. */
  abort(): void
  /** The cluster is not served any more. The watcher is forgotten already. */
  forbid(): void
  /** The service stops. The watcher is forgotten already. */
  end(): void
}

/** Who keeps the watcher up to date. */
export interface WatcherKeeper {
  drained(watcher: Watcher): void
  closed(watcher: Watcher): void
}

/** One watcher of a cluster: all that is known of it is the revision that it has. */
export class Watcher {
  readonly sink: WatcherSink
  readonly #keeper: WatcherKeeper
  /** Undefined before its snapshot. */
  revision: number | undefined
  /** Since when it has taken nothing; undefined while it keeps up. */
  stalledSince: Instant | undefined
  /** What it had taken then. */
  bytesTaken = 0

  constructor(sink: WatcherSink, keeper: WatcherKeeper) {
    this.sink = sink
    this.#keeper = keeper
  }

  /** The sink can take more. */
  drained(): void {
    this.#keeper.drained(this)
  }

  /** The stream has ended. Says so as often as it likes. */
  close(): void {
    this.#keeper.closed(this)
  }
}
