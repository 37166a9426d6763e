import type { Change } from '../state/clusters.ts'

/** So many deletions are remembered; a watcher that is further behind starts anew (SPEC 9, S16). */
export const DELETIONS_MAX = 4096

/** What takes a watcher from the revision that it has to the newest. */
export interface ChangeSet {
  /** What was deleted meanwhile, also what is there again: to be told before the updates. */
  readonly deletedIds: readonly string[]
  readonly updatedIds: readonly string[]
}

interface Entry {
  /** When the affiliate changed last. */
  readonly revision: number
  /** When it was deleted last; 0 for not as far as is remembered. */
  readonly deletedAt: number
}

const isDeleted = ({ revision, deletedAt }: Entry): boolean => revision === deletedAt

/**
 * Which affiliate of a cluster changed at which revision. Only the last change of each counts, and its last deletion: that one is
 * told whatever came before and after it, because the node that owns the affiliate may not have made it, and must learn of it.
 * Nothing is kept that every watcher has seen, so the log is as long as the slowest is behind.
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
    const deletedAt = change === 'deleted' ? this.#revision : (before?.deletedAt ?? 0)
    this.#entries.set(affiliateId, { revision: this.#revision, deletedAt })
    if (deletedAt > 0) this.#deletions += 1
    if (this.#deletions > this.#deletionsMax) this.#forgetOldestDeletion()
  }

  /** What happened since `revision`, each affiliate once; undefined when deletions since then are forgotten. */
  since(revision: number): ChangeSet | undefined {
    if (revision < this.#floor) return undefined
    const deletedIds: string[] = []
    const updatedIds: string[] = []
    for (const [id, entry] of this.#entries) {
      if (entry.revision <= revision) continue
      if (entry.deletedAt > revision) deletedIds.push(id)
      if (!isDeleted(entry)) updatedIds.push(id)
    }
    return { deletedIds, updatedIds }
  }

  /** Watchers were brought to the newest revision, and none of them has less than `slowest`: what all have seen is forgotten. */
  seen(slowest: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.revision > slowest) return
      this.#take(id)
    }
  }

  #take(affiliateId: string): Entry | undefined {
    const entry = this.#entries.get(affiliateId)
    if (entry === undefined) return undefined
    this.#entries.delete(affiliateId)
    if (entry.deletedAt > 0) this.#deletions -= 1
    return entry
  }

  /** With it goes all that is older: who could use that is too far behind now. */
  #forgetOldestDeletion(): void {
    for (const [id, entry] of this.#entries) {
      this.#take(id)
      this.#floor = entry.revision
      if (entry.deletedAt > 0) return
    }
  }
}
