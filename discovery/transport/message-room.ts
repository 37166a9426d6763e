/** Less than this is nothing beside what the call itself holds. */
const UNCOUNTED_BYTES = 4096
/** Sixteen of the largest requests at a time. Nodes send less than 4 KiB. */
export const MESSAGE_ROOM_BYTES = 64 << 20

/**
 * How much all requests together may hold that have come in part. Without it a client could begin a request of 4 MiB on
 * each of 250 streams, of each of its connections, and end none.
 */
export class MessageRoom {
  readonly #limit: number
  #held = 0

  constructor(limit: number = MESSAGE_ROOM_BYTES) {
    this.#limit = limit
  }

  /** In bytes. */
  get held(): number {
    return this.#held
  }

  /** True when a request that holds `before` bytes may hold `after`. */
  grow(before: number, after: number): boolean {
    const more = counted(after) - counted(before)
    if (more > 0 && this.#held + more > this.#limit) return false
    this.#held += more
    return true
  }
}

const counted = (bytes: number): number => (bytes > UNCOUNTED_BYTES ? bytes : 0)
