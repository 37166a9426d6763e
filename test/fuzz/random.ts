/** Chance that can be repeated: mulberry32, from a seed of 32 bits. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.below(256)))
  }

  /** The bytes with a few things wrong: bits flipped, bytes replaced, pieces left out, doubled or put in. */
  mutate(bytes: Uint8Array): Buffer {
    let mutated = Buffer.from(bytes)
    for (let count = 1 + this.below(4); count > 0; count -= 1) {
      const at = this.below(mutated.length + 1)
      const length = this.below(Math.min(32, mutated.length - at) + 1)
      const head = mutated.subarray(0, at)
      const piece = mutated.subarray(at, at + length)
      const tail = mutated.subarray(at + length)
      switch (this.below(5)) {
        case 0:
          if (at < mutated.length) mutated[at] = (mutated[at] as number) ^ (1 << this.below(8))
          break
        case 1:
          if (at < mutated.length) mutated[at] = this.pick([0, 1, 0x7f, 0x80, 0xff])
          break
        case 2:
          mutated = Buffer.concat([head, tail])
          break
        case 3:
          mutated = Buffer.concat([head, piece, piece, tail])
          break
        default:
          mutated = Buffer.concat([head, this.bytes(length), tail])
      }
    }
    return mutated
  }
}
