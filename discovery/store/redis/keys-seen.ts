import type { Writer } from '../../state/rights.ts'

/** So many are remembered; then all are forgotten, and asked again. */
const SEEN_MAX = 16_384

/** The write keys of clusters as they were seen last, by the clusters' hashes: a guess, which write.lua puts right. */
export class KeysSeen {
  readonly #seen = new Map<string, string>()

  get(hash: string): string {
    return this.#seen.get(hash) ?? ''
  }

  /** `''` is for none. */
  saw(hash: string, key: string): void {
    if (this.#seen.size >= SEEN_MAX) this.#seen.clear()
    if (key === '') this.#seen.delete(hash)
    else this.#seen.set(hash, key)
  }

  /** What write.lua is to expect: nothing in particular where the operator has named the cluster's key. */
  expected(hash: string, { listed }: Writer): string {
    return listed === undefined ? this.get(hash) : '*'
  }
}
