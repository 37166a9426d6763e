import type { Clock, Instant } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { Settings } from '../../model/settings.ts'
import { judgeLinks, judgementOf } from '../../plan/self/judge-links.ts'

/** The links of this host, as they are judged. Of what happens to them we are told; so they are looked at when we were, and now and then. */
export class LinkKeeper {
  readonly #observe: () => Promise<readonly ObservedLink[]>
  readonly #clock: Clock
  #links: readonly ObservedLink[] = []
  #lookedAt: Instant = -Infinity
  readonly #judged = new Last<readonly ObservedLink[]>()

  constructor(observe: () => Promise<readonly ObservedLink[]>, clock: Clock) {
    this.#observe = observe
    this.#clock = clock
  }

  async links(
    mustLook: boolean,
    settings: Pick<Settings, 'timing' | 'linkFilters' | 'placement'>,
  ): Promise<readonly ObservedLink[]> {
    const now = this.#clock.now()
    if (mustLook || now - this.#lookedAt >= settings.timing.reconcileEvery) {
      this.#links = await this.#observe()
      this.#lookedAt = now
    }
    const { linkFilters, placement } = settings
    return this.#judged.of([this.#links, linkFilters, placement], () =>
      judgeLinks(this.#links, judgementOf(settings)),
    )
  }
}
