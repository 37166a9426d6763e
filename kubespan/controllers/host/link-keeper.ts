import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { ObservedLink } from '../../model/observed.ts'

/** The links of this host. Of what happens to them we are told; so they are looked at when we were, and now and then. */
export class LinkKeeper {
  readonly #observe: () => Promise<readonly ObservedLink[]>
  readonly #clock: Clock
  #links: readonly ObservedLink[] = []
  #lookedAt: Instant = -Infinity

  constructor(observe: () => Promise<readonly ObservedLink[]>, clock: Clock) {
    this.#observe = observe
    this.#clock = clock
  }

  async links(mustLook: boolean, lookEvery: Milliseconds): Promise<readonly ObservedLink[]> {
    const now = this.#clock.now()
    if (!mustLook && now - this.#lookedAt < lookEvery) return this.#links
    this.#links = await this.#observe()
    this.#lookedAt = now
    return this.#links
  }
}
