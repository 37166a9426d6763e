import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import { type ForgetPlan, planForget } from '../../plan/members/forget.ts'
import type { ServiceReport } from '../../plan/members/unite-services.ts'
import type { MeshMemory } from '../view.ts'
import { silences } from './lives.ts'

/** What the sources list. */
export interface Listed {
  readonly reports: readonly ServiceReport[]
  readonly kubernetes: KubernetesReport | undefined
}

/** What the user wants gone: at once, and for as long as the sources list the very records that were forgotten. */
export class Forgotten {
  readonly #named = new Set<string>()
  readonly #records = new Map<string, ReadonlySet<string>>()
  #ignored: ReadonlySet<string> = new Set()

  /** Everybody called so who is not live, and what follows. */
  plan(
    called: string,
    memory: MeshMemory,
    listed: Listed,
    now: Instant,
    liveWithin: Milliseconds,
  ): ForgetPlan {
    const { retained, sources, statuses } = memory
    const silent = silences(memory)
    const lives = new Map(
      Array.from(statuses, ([key, { state, lastReceiveAt }]) => [
        key,
        { state, silentSince: silent.get(key), heardAt: lastReceiveAt },
      ]),
    )
    const plan = planForget({ called, retained, sources, lives, now, liveWithin })
    for (const nodeId of plan.nodeIds) this.forget(nodeId, listed)
    return plan
  }

  forget(nodeId: string, listed: Listed): void {
    this.#named.add(nodeId)
    const stamps = stampsOf(nodeId, listed)
    if (stamps.length > 0) this.#records.set(nodeId, new Set(stamps))
  }

  /** Node ids that were named since they were last done with. */
  get named(): ReadonlySet<string> {
    return new Set(this.#named)
  }

  done(nodeIds: ReadonlySet<string>): void {
    for (const nodeId of nodeIds) this.#named.delete(nodeId)
  }

  /** Whose records are as they were when they were forgotten. One that is published anew, or ends, is forgotten no more. */
  ignored(listed: Listed): ReadonlySet<string> {
    for (const [nodeId, forgotten] of this.#records) {
      const stamps = stampsOf(nodeId, listed)
      if (stamps.length === 0 || stamps.some((stamp) => !forgotten.has(stamp))) this.#records.delete(nodeId)
    }
    const ignored = [...this.#records.keys()]
    if (ignored.length !== this.#ignored.size || ignored.some((nodeId) => !this.#ignored.has(nodeId)))
      this.#ignored = new Set(ignored)
    return this.#ignored
  }
}

/** Of each source that lists it, what tells one publication from the next. What others add to it, as endpoints, is none. */
export function stampsOf(nodeId: string, { reports, kubernetes }: Listed): string[] {
  const node = kubernetes?.affiliates.get(nodeId)
  return [
    ...reports.flatMap(({ affiliates }) => {
      const record = affiliates.get(nodeId)
      return record === undefined ? [] : [record.stamp ?? JSON.stringify(record.affiliate.addresses)]
    }),
    ...(node === undefined ? [] : [JSON.stringify(node)]),
  ]
}
