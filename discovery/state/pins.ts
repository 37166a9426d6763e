import type { Instant, Milliseconds } from '../../shared/clock.ts'

/** A cluster that was away for no longer finds its write key again. */
export const PIN_LIFE: Milliseconds = 7 * 24 * 60 * 60_000
/** So many are kept of clusters that hold nothing; those that were used last stay. */
export const IDLE_PINS_MAX = 65_536

interface Pin {
  readonly key: string
  usedAt: Instant
}

/** The write keys that clusters were brought to life with. */
export class Pins {
  readonly #pins = new Map<string, Pin>()

  get(clusterId: string): string | undefined {
    return this.#pins.get(clusterId)?.key
  }

  set(clusterId: string, key: string, now: Instant): void {
    this.#pins.set(clusterId, { key, usedAt: now })
  }

  /** A member wrote. */
  used(clusterId: string, now: Instant): void {
    const pin = this.#pins.get(clusterId)
    if (pin !== undefined) pin.usedAt = now
  }

  delete(clusterId: string): boolean {
    return this.#pins.delete(clusterId)
  }

  entries(): Iterable<readonly [clusterId: string, pin: { readonly key: string }]> {
    return this.#pins
  }

  /** Forgets keys of clusters that have been gone for long. */
  sweep(now: Instant, exists: (clusterId: string) => boolean): void {
    const idle: { readonly clusterId: string; readonly usedAt: Instant }[] = []
    for (const [clusterId, { usedAt }] of this.#pins) {
      if (exists(clusterId)) continue
      if (now - usedAt > PIN_LIFE) this.#pins.delete(clusterId)
      else idle.push({ clusterId, usedAt })
    }
    if (idle.length <= IDLE_PINS_MAX) return
    idle.sort((a, b) => a.usedAt - b.usedAt)
    for (const { clusterId } of idle.slice(0, idle.length - IDLE_PINS_MAX)) this.#pins.delete(clusterId)
  }
}
