import type { Instant, Milliseconds } from '../../shared/clock.ts'
import type { CountersView } from '../model/daemon-view.ts'
import type { PeerStatus, PublicKey } from '../model/peer.ts'

type Statuses = ReadonlyMap<PublicKey, PeerStatus>

/** What the daemon has done since it started. Nothing is decided by it. */
export class MeshCounters {
  #counts: CountersView = {
    passes: 0,
    failedPasses: 0,
    passMilliseconds: 0,
    hostChanges: 0,
    driftRepairs: 0,
    handshakes: 0,
    endpointChanges: 0,
    peersLost: 0,
    strayPackets: 0,
  }
  /** As the table had it at the last look; undefined before the first one, and zero while there is no table. */
  #straysInTable: number | undefined
  #runningSince: Instant | undefined

  get view(): CountersView {
    return this.#counts
  }

  /** Since when a pass runs; undefined between passes. */
  get runningSince(): Instant | undefined {
    return this.#runningSince
  }

  passBegins(now: Instant): void {
    this.#runningSince = now
  }

  passEnds(took: Milliseconds, hasFailed: boolean): void {
    this.#runningSince = undefined
    this.#add({ passes: 1, failedPasses: hasFailed ? 1 : 0, passMilliseconds: took })
  }

  /** Something was changed on the host. A repair: although nothing else was wanted than before. */
  hostChanged(changes: number, isRepair: boolean): void {
    this.#add({ hostChanges: changes, driftRepairs: isRepair ? changes : 0 })
  }

  /**
   * What the table has counted since it is there: another table counts from zero, and the first look is where we begin. Answers how
   * many that makes since the last look.
   */
  strayed(inTable: number | undefined): number {
    const before = this.#straysInTable ?? inTable ?? 0
    const now = inTable ?? 0
    this.#straysInTable = now
    const strayPackets = now >= before ? now - before : now
    this.#add({ strayPackets })
    return strayPackets
  }

  /** A handshake has a stamp of its own, so that none is counted twice; those between two looks count as one. */
  peersLooked(before: Statuses, after: Statuses): void {
    const seen = { handshakes: 0, endpointChanges: 0, peersLost: 0 }
    for (const [publicKey, is] of after) {
      const was = before.get(publicKey)
      if (is === was) continue
      const { lastHandshakeStamp: stamp } = is
      if (stamp !== undefined && stamp !== was?.lastHandshakeStamp) seen.handshakes += 1
      // While a peer is sought its endpoint changes all the time, and says nothing.
      const hasMoved = was?.endpoint !== undefined && is.endpoint !== was.endpoint
      if (hasMoved && is.state === 'up') seen.endpointChanges += 1
      if (was?.state === 'up' && is.state !== 'up') seen.peersLost += 1
    }
    this.#add(seen)
  }

  #add(more: Partial<CountersView>): void {
    const counts = Object.entries(more) as [keyof CountersView, number][]
    if (counts.every(([, count]) => count === 0)) return
    this.#counts = {
      ...this.#counts,
      ...Object.fromEntries(counts.map(([name, count]) => [name, this.#counts[name] + count])),
    }
  }
}
