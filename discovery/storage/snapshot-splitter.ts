/** More than 1024 affiliates with all their endpoints can be; a longer cluster is not one of this service (SPEC 1.12). */
export const CLUSTER_SNAPSHOT_MAX_BYTES = 137_912_579

const CLUSTER_TAG = 0x0a
const VARINT_MAX_BYTES = 10

/**
 * Cuts a snapshot file, given in chunks of any size, into its cluster messages (SPEC 1.12):
 * tag byte 0x0A, length as a varint, message; again and again until the end of the file.
 */
export class SnapshotSplitter {
  /** Length bytes seen of the message at hand; undefined between messages. */
  #lengthBytes: number | undefined
  #length = 0
  /** Bytes of the message that are still to come; undefined while its head is not complete. */
  #missing: number | undefined
  #parts: Uint8Array[] = []

  /** @throws Error when the file ends inside a message or its head. */
  end(): void {
    if (this.#lengthBytes !== undefined) throw new Error('the file ends in the middle')
  }

  /** @throws Error when the bytes are no snapshot. Messages that lie in one chunk are views into it. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void> {
    let at = 0
    while (at < chunk.length) {
      if (this.#missing === undefined) this.#readHead(chunk[at++] as number)
      else {
        const part = chunk.subarray(at, at + this.#missing)
        this.#parts.push(part)
        this.#missing -= part.length
        at += part.length
      }
      if (this.#missing === 0) yield this.#takeMessage()
    }
  }

  #readHead(byte: number): void {
    if (this.#lengthBytes === undefined) {
      if (byte !== CLUSTER_TAG) throw new Error(`unexpected byte 0x${byte.toString(16).padStart(2, '0')}`)
      this.#lengthBytes = 0
      this.#length = 0
      return
    }
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes)
    this.#lengthBytes += 1
    if (this.#length > CLUSTER_SNAPSHOT_MAX_BYTES) throw new Error('longer than any cluster')
    if (byte < 0x80) this.#missing = this.#length
    else if (this.#lengthBytes === VARINT_MAX_BYTES) throw new Error('its length is not a number')
  }

  #takeMessage(): Uint8Array {
    const [first = new Uint8Array(), ...rest] = this.#parts
    this.#parts = []
    this.#lengthBytes = undefined
    this.#missing = undefined
    return rest.length === 0 ? first : Buffer.concat([first, ...rest])
  }
}
