/** SHA-256 of a text in lower-case hex. */
export type Sha256 = (text: string) => string

const HASH = /^[0-9a-f]{64}$/i

/**
 * The clusters that an operator allows: a cluster id, or the SHA-256 of one in hex, per line; empty lines and lines that
 * begin with # do not count. A file of hashes does not give away the ids, which give access.
 */
export class AllowedClusters {
  readonly #ids: ReadonlySet<string>
  readonly #hashes: ReadonlySet<string>
  readonly #sha256: Sha256
  /** Ids that were found by their hash: no more than there are hashes. */
  readonly #found = new Set<string>()

  constructor(text: string, sha256: Sha256) {
    const lines = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
    this.#ids = new Set(lines)
    this.#hashes = new Set(lines.filter((line) => HASH.test(line)).map((line) => line.toLowerCase()))
    this.#sha256 = sha256
  }

  get size(): number {
    return this.#ids.size
  }

  has(clusterId: string): boolean {
    if (this.#ids.has(clusterId) || this.#found.has(clusterId)) return true
    if (this.#hashes.size === 0 || !this.#hashes.has(this.#sha256(clusterId))) return false
    this.#found.add(clusterId)
    return true
  }
}
