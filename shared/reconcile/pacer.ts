import type { Clock } from '../clock.ts'
import { type Allowance, type AllowanceShape, FULL_ALLOWANCE, spend, waitFor } from './allowance.ts'

/** Does something when it is wanted, and no oftener than it may: what is wanted meanwhile is done once, as soon as it may. */
export class Pacer implements Disposable {
  readonly #clock: Clock
  readonly #shape: AllowanceShape
  readonly #act: () => void
  #allowance: Allowance = FULL_ALLOWANCE
  #alarm: Disposable | undefined
  #isOver = false

  constructor(clock: Clock, shape: AllowanceShape, act: () => void) {
    this.#clock = clock
    this.#shape = shape
    this.#act = act
  }

  want(): void {
    if (this.#alarm !== undefined || this.#isOver) return
    const wait = waitFor(this.#shape, this.#allowance, 1, this.#clock.now())
    if (wait === 0) this.#go()
    else this.#alarm = this.#clock.after(wait, () => this.#go())
  }

  #go(): void {
    this.#alarm = undefined
    this.#allowance = spend(this.#shape, this.#allowance, 1, this.#clock.now())
    this.#act()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#alarm?.[Symbol.dispose]()
  }
}
