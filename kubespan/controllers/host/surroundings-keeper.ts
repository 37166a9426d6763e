import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import { NO_SURROUNDINGS, type Surroundings } from '../../model/surroundings.ts'

/** Where containers come and go, something may have changed many times a second. */
const GAP: Milliseconds = 1_000
/** Of routes that matter we are told when they change; so seldom they are asked for anyway, in looks. */
const ROUTES_EVERY = 10
/** A host with very many routes takes long to list them: no more than this part of the time is spent on it. */
const SHARE_MAX = 0.01

export interface SurroundingsKeeperOptions {
  readonly observe: (mustAskRoutes: boolean) => Promise<Surroundings>
  readonly clock: Pick<Clock, 'now'>
  readonly warn: (problem: string) => void
}

/** What is local to this host: looked at when something may have changed, and now and then. */
export class SurroundingsKeeper {
  readonly #options: SurroundingsKeeperOptions
  #known: Surroundings = NO_SURROUNDINGS
  #text = ''
  #isSuspect = true
  #lookedAt: Instant = -Infinity
  #took: Milliseconds = 0
  #looks = 0

  constructor(options: SurroundingsKeeperOptions) {
    this.#options = options
  }

  /** The very value of the last time where it is the same. */
  async look(isSuspect: boolean, lookEvery: Milliseconds): Promise<Surroundings> {
    const { observe, clock, warn } = this.#options
    this.#isSuspect ||= isSuspect
    const age = clock.now() - this.#lookedAt
    if (age < Math.max(this.#isSuspect ? GAP : lookEvery, this.#took / SHARE_MAX)) return this.#known
    this.#lookedAt = clock.now()
    try {
      const mustAskRoutes = this.#isSuspect || this.#looks % ROUTES_EVERY === 0
      this.#looks += 1
      this.#isSuspect = false
      const found = await observe(mustAskRoutes)
      const text = JSON.stringify(found)
      if (text !== this.#text) [this.#known, this.#text] = [found, text]
    } catch (error) {
      // What was local a moment ago still is.
      this.#looks = 0
      warn(`what is local to this host cannot be found out: ${messageOf(error)}`)
    }
    this.#took = clock.now() - this.#lookedAt
    return this.#known
  }
}
