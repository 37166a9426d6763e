import type { Refusal } from '../validation/refusal.ts'

/** Which client address brought which clusters to life, for as long as those are there. */
export interface Claims {
  /** False when the address has `most` clusters without this one; else this one is counted from now on. */
  claim(origin: string, clusterId: string, most: number): boolean | Promise<boolean | Refusal>
}

/** Those that this process knows of. */
export class MemoryClaims implements Claims {
  readonly #exists: (clusterId: string) => boolean
  /** Some of the clusters may be gone. */
  readonly #created = new Map<string, Set<string>>()

  constructor(exists: (clusterId: string) => boolean) {
    this.#exists = exists
  }

  claim(origin: string, clusterId: string, most: number): boolean {
    const created = this.#created.get(origin) ?? new Set()
    if (created.size >= most) this.#forgetGone(created)
    if (created.size >= most && !created.has(clusterId)) return false
    this.#created.set(origin, created.add(clusterId))
    return true
  }

  /** Forgets clusters that are gone; to be called now and then. */
  sweep(): void {
    for (const [origin, created] of this.#created) {
      this.#forgetGone(created)
      if (created.size === 0) this.#created.delete(origin)
    }
  }

  #forgetGone(created: Set<string>): void {
    for (const clusterId of created) if (!this.#exists(clusterId)) created.delete(clusterId)
  }
}
