/**
 * Work that many ask for and one run of which does for all who asked before it began: at most one runs and one waits.
 */
export class Turns<T> {
  readonly #work: () => Promise<T>
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  /** A run that begins from now on. */
  request(): Promise<T> {
    if (this.#running === undefined) return this.#run()
    this.#next ??= this.#running.then(
      () => this.#runNext(),
      () => this.#runNext(),
    )
    return this.#next
  }

  #runNext(): Promise<T> {
    this.#next = undefined
    return this.#run()
  }

  #run(): Promise<T> {
    const running = this.#work()
    this.#running = running
    const over = (): void => {
      if (this.#running === running) this.#running = undefined
    }
    running.then(over, over)
    return running
  }
}
