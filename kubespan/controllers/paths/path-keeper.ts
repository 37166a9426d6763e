import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PeerStatus, PublicKey } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import { networkOf, type PathMemory, pathsOn, rememberPaths } from '../../plan/paths/last-worked.ts'
import type { PathStore } from '../mesh-host.ts'

/** A mesh that comes up changes with every look, and has better things to do then than to wait for a disk. */
const SAVE_AFTER: Milliseconds = 5_000

/** Remembers by which endpoint each peer was reached from the network that this host is on. */
export class PathKeeper {
  readonly #store: PathStore
  readonly #clock: Clock
  readonly #warn: (problem: string) => void
  #memory: PathMemory | undefined
  /** Since when there is something to write, and under which settings. */
  #unsaved: { readonly since: Instant; readonly settings: Settings } | undefined
  #problem: string | undefined

  constructor(store: PathStore, clock: Clock, warn: (problem: string) => void) {
    this.#store = store
    this.#clock = clock
    this.#warn = warn
  }

  async lastWorked(
    settings: Settings,
    links: readonly ObservedLink[],
  ): Promise<ReadonlyMap<PublicKey, AddressPort>> {
    this.#memory ??= (await this.#store.load(settings)).map(([network, paths]) => ({
      network,
      endpoints: new Map(paths as [PublicKey, AddressPort][]),
    }))
    return pathsOn(this.#memory, networkOf(links, settings.placement.linkName))
  }

  /** Takes in who is up, and writes what has changed a while ago. A disk that is full costs a warning and nothing else. */
  async keep(
    settings: Settings,
    links: readonly ObservedLink[],
    statuses: ReadonlyMap<PublicKey, PeerStatus>,
  ): Promise<void> {
    const before = this.#memory ?? []
    const now = this.#clock.now()
    const network = networkOf(links, settings.placement.linkName)
    this.#memory = rememberPaths(before, network, statuses)
    if (this.#memory !== before) this.#unsaved ??= { since: now, settings }
    if (this.#unsaved !== undefined && now - this.#unsaved.since >= SAVE_AFTER) await this.flush()
  }

  /** Writes what is not written yet. */
  async flush(): Promise<void> {
    if (this.#unsaved === undefined) return
    const { settings } = this.#unsaved
    this.#unsaved = undefined
    try {
      await this.#store.save(
        settings,
        (this.#memory ?? []).map((one) => [one.network, [...one.endpoints]]),
      )
      this.#problem = undefined
    } catch (error) {
      const problem = `the paths that worked cannot be written: ${messageOf(error)}`
      if (problem !== this.#problem) this.#warn(problem)
      this.#problem = problem
    }
  }
}
