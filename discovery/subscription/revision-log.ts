import type { Change } from '../state/clusters.ts'

/** So many deletions are remembered; a watcher that is further behind starts anew (SPEC 9, S16). */
export const DELETIONS_MAX = 4096

/** What takes a watcher from the revision that it has to the newest. */
export interface ChangeSet {
  readonly deletedIds: readonly string[]
  readonly updatedIds: readonly string[]
}

interface Entry {
  /** When the affiliate changed last. */
  readonly revision: number
  /** When it appeared; 0 when that was before the log. Who has seen less has never heard of it. */
  readonly bornAt: number
  readonly isDeleted: boolean
}

/**
 * Which affiliate of a cluster changed at which revision. Only the last change of each counts, so what a watcher is told
 * is the net change; and nothing is kept that every watcher has seen, so the log is as long as the slowest is behind.
 */
export class RevisionLog {
  /** In ascending order of revisions: what changes again moves to the end. */
  readonly #entries = new Map<string, Entry>()
  readonly #deletionsMax: number
  #revision = 0
  /** Who has seen less than this cannot be brought up to date any more. */
  #floor = 0
  #deletions = 0

  constructor(deletionsMax: number = DELETIONS_MAX) {
    this.#deletionsMax = deletionsMax
  }

  /** The newest. The first change makes it 1. */
  get revision(): number {
    return this.#revision
  }

  /** Affiliates remembered. */
  get size(): number {
    return this.#entries.size
  }

  record(affiliateId: string, change: Change): void {
    this.#revision += 1
    const before = this.#take(affiliateId)
    const bornAt = before?.bornAt ?? (change === 'created' ? this.#revision : 0)
    const isDeleted = change === 'deleted'
    this.#entries.set(affiliateId, { revision: this.#revision, bornAt, isDeleted })
    if (isDeleted) this.#deletions += 1
    if (this.#deletions > this.#deletionsMax) this.#forgetOldestDeletion()
  }

  /** Net changes since `revision`; undefined when deletions since then are forgotten. */
  since(revision: number): ChangeSet | undefined {
    if (revision < this.#floor) return undefined
    const deletedIds: string[] = []
    const updatedIds: string[] = []
    for (const [id, entry] of this.#entries) {
      if (entry.revision <= revision) continue
      if (!entry.isDeleted) updatedIds.push(id)
      else if (entry.bornAt <= revision) deletedIds.push(id)
    }
    return { deletedIds, updatedIds }
  }

  /** Forgets what everybody has seen: no watcher has less than `revision`. */
  forget(revision: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.revision > revision) return
      this.#take(id)
    }
  }

  #take(affiliateId: string): Entry | undefined {
    const entry = this.#entries.get(affiliateId)
    if (entry === undefined) return undefined
    this.#entries.delete(affiliateId)
    if (entry.isDeleted) this.#deletions -= 1
    return entry
  }

  /** With it goes all that is older: who could use that is too far behind now. */
  #forgetOldestDeletion(): void {
    for (const [id, entry] of this.#entries) {
      this.#take(id)
      this.#floor = entry.revision
      if (entry.isDeleted) return
    }
  }
}
