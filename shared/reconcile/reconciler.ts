import type { Clock, Milliseconds } from '../clock.ts'

/** When the caller wants to be looked at again, even if nothing wakes it. */
export interface Outcome {
  readonly again?: Milliseconds
}

export interface ReconcilerOptions {
  readonly clock: Clock
  /** Consecutive failures (1, 2, …) to the delay before the next try. */
  readonly backoff: (failures: number) => Milliseconds
  readonly onFailure: (error: unknown, failures: number) => void
}

/**
 * Runs one pass at a time. Wakes that arrive during a pass fold into exactly one pass after it,
 * so a pass must read the whole world and never trust the reason it was woken for.
 */
export class Reconciler implements AsyncDisposable {
  readonly #pass: (signal: AbortSignal) => Promise<Outcome>
  readonly #options: ReconcilerOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #wanted = false
  #failures = 0
  #alarm: Disposable | undefined

  constructor(pass: (signal: AbortSignal) => Promise<Outcome>, options: ReconcilerOptions) {
    this.#pass = pass
    this.#options = options
  }

  wake(): void {
    if (this.#stop.signal.aborted) return
    this.#wanted = true
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined
      if (this.#wanted) this.wake() // a wake may fall between the loop's end and this line
    })
  }

  async #drain(): Promise<void> {
    while (this.#wanted && !this.#stop.signal.aborted) {
      this.#wanted = false
      this.#alarm?.[Symbol.dispose]()
      const again = await this.#once()
      if (again !== undefined && !this.#wanted && !this.#stop.signal.aborted)
        this.#alarm = this.#options.clock.after(again, () => this.wake())
    }
  }

  async #once(): Promise<Milliseconds | undefined> {
    try {
      const { again } = await this.#pass(this.#stop.signal)
      this.#failures = 0
      return again
    } catch (error) {
      if (this.#stop.signal.aborted) return undefined
      this.#failures += 1
      this.#options.onFailure(error, this.#failures)
      return this.#options.backoff(this.#failures)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#alarm?.[Symbol.dispose]()
    await this.#running
  }
}
