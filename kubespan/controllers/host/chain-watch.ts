import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { observeStrangeChains, type StrangeChains } from '../../apply/ruleset.ts'
import type { Runner } from '../../host/runner.ts'

/** What is changed together is seen together. */
const DELAY: Milliseconds = 250
/** Some write rules all the time: so long after each look there is no other. */
const PAUSE: Milliseconds = 5_000
/** And so much longer than the look itself, which takes the longer the more rules there are: less than 1 % of a core. */
const PAUSE_PER_LOOK = 150

const NOTHING: StrangeChains = { marks: [], pathFilters: [] }

/** Knows the chains of others that may take packets of the mesh. It looks when somebody has changed something, and not too often. */
export class ChainWatch implements Disposable {
  readonly #host: Pick<Runner, 'run'> & { readonly clock: Clock }
  readonly #onChange: () => void
  #seen: StrangeChains | undefined
  #looking: Promise<void> | undefined
  #mayLookAt: Instant = -Infinity
  #alarm: Disposable | undefined
  #isOver = false
  #nftTable = ''

  constructor(host: Pick<Runner, 'run'> & { readonly clock: Clock }, onChange: () => void) {
    this.#host = host
    this.#onChange = onChange
  }

  /** As of the last look, at all tables but ours; the first is made here. */
  async chains(nftTable: string): Promise<StrangeChains> {
    const isKnown = this.#seen !== undefined && this.#nftTable === nftTable
    this.#nftTable = nftTable
    if (!isKnown) await this.#look()
    return this.#seen ?? NOTHING
  }

  /** Somebody has changed a table of theirs. */
  changed(): void {
    if (this.#isOver || this.#alarm !== undefined) return
    const delay = Math.max(DELAY, this.#mayLookAt - this.#host.clock.now())
    this.#alarm = this.#host.clock.after(delay, () => {
      this.#alarm = undefined
      void this.#lookAgain()
    })
  }

  async #lookAgain(): Promise<void> {
    const before = JSON.stringify(this.#seen)
    // One that is under way may have begun before what was changed.
    await this.#looking
    await this.#look()
    if (!this.#isOver && JSON.stringify(this.#seen) !== before) this.#onChange()
  }

  async #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  /** What cannot be read stops nothing: the stray packets are counted all the same. */
  async #lookOnce(): Promise<void> {
    const { clock } = this.#host
    const startedAt = clock.now()
    try {
      this.#seen = await observeStrangeChains(this.#host, this.#nftTable)
    } catch {
      this.#seen ??= NOTHING
    }
    const now = clock.now()
    this.#mayLookAt = now + Math.max(PAUSE, PAUSE_PER_LOOK * (now - startedAt))
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#alarm?.[Symbol.dispose]()
  }
}
