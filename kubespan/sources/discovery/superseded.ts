/** Of one node; what is older was replaced long ago. */
const STAMPS_MAX = 16
/** A cluster has at most 1024 nodes at a time (SPEC 1.2). */
const NODES_MAX = 2048

/**
 * The seals of records that gave way to others, whichever service told them: a service that brings one of them again has nothing new
 * to say.
 */
export class Superseded {
  readonly #stamps = new Map<string, readonly string[]>()

  has(nodeId: string, stamp: string): boolean {
    return this.#stamps.get(nodeId)?.includes(stamp) === true
  }

  add(nodeId: string, stamp: string): void {
    const known = this.#stamps.get(nodeId) ?? []
    if (known.includes(stamp)) return
    this.#stamps.delete(nodeId)
    this.#stamps.set(nodeId, [...known, stamp].slice(-STAMPS_MAX))
    const [oldest] = this.#stamps.keys()
    if (this.#stamps.size > NODES_MAX && oldest !== undefined) this.#stamps.delete(oldest)
  }
}
