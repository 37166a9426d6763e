/**
 * What was made last, as long as what it was made of is the same: compared by identity, part by part. For values that
 * are dear to make and seldom change; the answer is then identical as well, so that what is made of it is spared too.
 */
export class Last<T> {
  #parts: readonly unknown[] | undefined
  #value: T | undefined

  of(parts: readonly unknown[], make: () => T): T {
    const known = this.#parts
    if (known?.length === parts.length && parts.every((part, place) => Object.is(part, known[place])))
      return this.#value as T
    this.#value = make()
    this.#parts = parts
    return this.#value
  }
}
