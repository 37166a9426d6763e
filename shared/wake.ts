/**
 * A level-triggered signal with one waiter: setting it any number of times before somebody waits
 * counts once, and a wait that finds it set returns at once.
 */
export class Wake {
  #isSet = false
  #waiter: (() => void) | undefined

  get isSet(): boolean {
    return this.#isSet
  }

  set(): void {
    this.#isSet = true
    this.#waiter?.()
  }

  /** Forgets that it was set: what it called for is about to be done. */
  clear(): void {
    this.#isSet = false
  }

  /** Resolves when the signal is set (and clears it), or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#isSet && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.#waiter = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    this.#waiter = undefined
    this.#isSet = false
  }
}
