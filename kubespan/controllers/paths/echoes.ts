import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'
import type { AnsweredEcho } from '../../plan/paths/upgrade.ts'
import type { EchoAnswers } from '../../sources/echo.ts'

/** Who of these answers; undefined when they cannot be asked. */
export type Echo = (addresses: readonly Address[]) => Promise<EchoAnswers | undefined>

/** What cannot be asked now may be possible later: a package is installed, a service file changed. */
const ASK_AGAIN_AFTER: Milliseconds = 600_000

/** Asks through the tunnel, where this host can, and keeps how long the latest answers took. */
export class Echoes {
  readonly #echo: Echo
  readonly #clock: Pick<Clock, 'now'>
  readonly #latest = new Map<Address, AnsweredEcho>()
  #askAt: Instant = -Infinity

  constructor(echo: Echo, clock: Pick<Clock, 'now'>) {
    this.#echo = echo
    this.#clock = clock
  }

  /** Whether it is worth trying. */
  get canAsk(): boolean {
    return this.#clock.now() >= this.#askAt
  }

  /** Undefined when nobody could be asked; never rejects. */
  async ask(addresses: readonly Address[]): Promise<EchoAnswers | undefined> {
    if (!this.canAsk) return undefined
    const askedAt = this.#clock.now()
    const answers = await this.#echo(addresses).catch(() => undefined)
    if (answers === undefined) this.#askAt = this.#clock.now() + ASK_AGAIN_AFTER
    const now = this.#clock.now()
    for (const [address, roundTrip] of answers ?? [])
      this.#latest.set(address, { askedAt, sentBefore: now - roundTrip, roundTrip })
    return answers
  }

  /** The latest that was answered; undefined when there was none, or none since the path is another one. */
  latest(address: Address): AnsweredEcho | undefined {
    return this.#latest.get(address)
  }

  /** The peer has gone, or its path is another one. */
  forget(address: Address): void {
    this.#latest.delete(address)
  }
}
