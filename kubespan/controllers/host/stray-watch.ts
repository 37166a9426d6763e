import type { Instant, Milliseconds } from '../../../shared/clock.ts'

/** What one comparison of the host has shown of it. */
export interface StrayLook {
  /** Packets for the mesh that were dropped since the last look. */
  readonly strays: number
  /** Whether it is known what leads packets elsewhere. */
  readonly hasDetours: boolean
  /** Whether rules, routes or chains of ours had to be written, so that packets may have strayed without them. */
  readonly hasMended: boolean
}

/** Without another such packet for this long, it is over. A sender that tries rarely is still one. */
const OVER_AFTER: Milliseconds = 60_000

/** Without a number, so that it is one line in the log: the metric counts. */
const STRAYS_UNEXPLAINED =
  'packets for the mesh were dropped because another program leads them elsewhere, or sends them by a link of its choice ' +
  '(kubespan_stray_packets_total counts them); to mend it: kubespan doctor names what it finds'

/** Packets that are dropped although nothing is known to lead them elsewhere: then something does that we do not see. */
export class StrayWatch {
  #wasExplained = true
  #standsUntil: Instant = -Infinity

  /** What is to be told, if anything. */
  look({ strays, hasDetours, hasMended }: StrayLook, now: Instant): string | undefined {
    // What was dropped may have been so before the last look was over, or after this one began.
    const isExplained = hasDetours || hasMended
    if (hasDetours) this.#standsUntil = -Infinity
    else if (strays > 0 && !isExplained && !this.#wasExplained) this.#standsUntil = now + OVER_AFTER
    this.#wasExplained = isExplained
    return now < this.#standsUntil ? STRAYS_UNEXPLAINED : undefined
  }
}
