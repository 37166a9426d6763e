import type { ClientReadableStream } from '@grpc/grpc-js'
import type { WatchResponse } from '../../../proto/gen/cluster_pb.ts'
import { patient } from '../patience.ts'
import { viewLine } from '../state-model.ts'

const LIMIT_MS = 15_000

/** A client that watches, with all that it was told. */
export class WatchedView implements Disposable {
  readonly view = new Map<string, string>()
  /** Ids of affiliates that it was told are gone. */
  readonly deleted: string[] = []
  messages = 0
  /** The status with which the watch ended; undefined while it goes on. */
  ended: number | undefined
  readonly #stream: ClientReadableStream<WatchResponse>
  #changed = Promise.withResolvers<void>()

  constructor(stream: ClientReadableStream<WatchResponse>) {
    this.#stream = stream
    stream.on('data', ({ affiliates, deleted }: WatchResponse) => {
      this.messages += 1
      for (const { id, data, endpoints } of affiliates)
        if (deleted) {
          this.view.delete(id)
          this.deleted.push(id)
        } else this.view.set(id, viewLine(id, String(Buffer.from(data)), endpoints.map(String)))
      this.#wake()
    })
    stream.on('error', () => {})
    stream.on('status', ({ code }) => {
      this.ended = code
      this.#wake()
    })
  }

  lines(): string[] {
    return [...this.view.values()].sort()
  }

  ids(): string {
    return [...this.view.keys()].sort().join()
  }

  /** Until it is so. @throws when that takes too long */
  async until(isSo: (view: WatchedView) => boolean): Promise<void> {
    let isLate = false
    const late = setTimeout(() => {
      isLate = true
      this.#wake()
    }, patient(LIMIT_MS))
    while (!isSo(this)) {
      if (isLate) throw new Error(`it has ${this.ids()}, ended with ${this.ended}`)
      await this.#changed.promise
    }
    clearTimeout(late)
  }

  [Symbol.dispose](): void {
    this.#stream.cancel()
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
