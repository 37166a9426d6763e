import { totalmem } from 'node:os'
import { constrainedMemory, memoryUsage } from 'node:process'
import { getHeapStatistics } from 'node:v8'
import type { Clock, Milliseconds } from '../shared/clock.ts'

/** In bytes. */
export interface MemoryUse {
  /** Resident memory, without what the heap has to spare. */
  readonly resident: number
  /** What lives on the heap of JavaScript, and what waits there for a collection. */
  readonly heap: number
}

/** Where the process would be ended by the kernel, or by V8. */
export type MemoryBounds = MemoryUse

const SHARE = 0.8
const LOOK_INTERVAL: Milliseconds = 1000

export const observeMemory = (): MemoryUse => {
  const { rss, heapTotal, heapUsed } = memoryUsage()
  return { resident: rss - (heapTotal - heapUsed), heap: heapUsed }
}

/** What this machine, or the container, and the heap allow. */
export function observeBounds(): MemoryBounds {
  const constrained = constrainedMemory()
  const total = totalmem()
  // Without a constraint the kernel says 0 or some huge number.
  const resident = constrained > 0 ? Math.min(constrained, total) : total
  return { resident, heap: getHeapStatistics().heap_size_limit }
}

/** `limit` is what the operator said, 0 when nothing: then four fifths of what there is. The heap has its own bound always. */
export const chooseBounds = (limit: number, bounds: MemoryBounds): MemoryBounds => ({
  resident: limit > 0 ? limit : bounds.resident * SHARE,
  heap: bounds.heap * SHARE,
})

/** Looks at the memory once a second, because asking for every new cluster would cost more than the cluster. */
export class MemoryGuard implements Disposable {
  readonly #bounds: MemoryBounds
  readonly #clock: Clock
  readonly #observe: () => MemoryUse
  #alarm: Disposable | undefined
  #isShort = false

  constructor(bounds: MemoryBounds, clock: Clock, observe: () => MemoryUse = observeMemory) {
    this.#bounds = bounds
    this.#clock = clock
    this.#observe = observe
  }

  get isShort(): boolean {
    return this.#isShort
  }

  start(): void {
    const { resident, heap } = this.#observe()
    this.#isShort = resident >= this.#bounds.resident || heap >= this.#bounds.heap
    this.#alarm = this.#clock.after(LOOK_INTERVAL, () => this.start())
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]()
  }
}
