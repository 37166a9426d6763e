import type { Clock } from '../../shared/clock.ts'
import type { Subscriptions } from '../subscription/subscriptions.ts'
import type { Frame, Watcher, WatcherSink } from '../subscription/watcher.ts'
import type { Call } from './call.ts'
import { OK, STATUS, type Status, toStatus } from './status.ts'

/** The words of SPEC 1.5. */
const LOST_UPDATE: Status = { code: STATUS.Aborted, message: 'subscription canceled: lost update' }
const FORBIDDEN = toStatus({ kind: 'forbidden' })
export const TIMED_OUT: Status = {
  code: STATUS.DeadlineExceeded,
  message: 'the deadline of the call has passed',
}

/** One Watch call: a watcher of its cluster until the client, its deadline (SPEC 9, S19) or the service ends it. */
export class WatchStream implements WatcherSink {
  readonly #call: Call
  readonly #watcher: Watcher
  readonly #deadline: Disposable | undefined

  constructor(call: Call, clusterId: string, subscriptions: Subscriptions, clock: Clock) {
    this.#call = call
    call.begin()
    this.#watcher = subscriptions.watch(clusterId, this)
    call.stream.on('drain', () => this.#watcher.drained())
    call.onClosed = () => this.#closed()
    this.#deadline = Number.isFinite(call.timeout)
      ? clock.after(Math.max(0, call.timeLeft), () => this.#timedOut())
      : undefined
  }

  /** Of the connection, which serves little else: messages that wait in the stream's queue say nothing. */
  get bytesTaken(): number {
    return this.#call.stream.session?.socket.bytesWritten ?? 0
  }

  send(frame: Frame): boolean {
    return this.#call.send(frame)
  }

  abort(): void {
    this.#call.end(LOST_UPDATE)
  }

  forbid(): void {
    this.#call.end(FORBIDDEN)
  }

  end(): void {
    this.#call.end(OK)
  }

  #timedOut(): void {
    this.#watcher.close()
    this.#call.end(TIMED_OUT)
  }

  #closed(): void {
    this.#watcher.close()
    this.#deadline?.[Symbol.dispose]()
  }
}
