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
  readonly isDeleted: boolean
  /** Whether it was there before the first of the turns. */
  readonly wasThere: boolean
  /** When it came and went in turn. */
  readonly turns: readonly number[]
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
  /** No watcher has a revision between this and the newest. */
  #seenAt = 0
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
    const wasThere = before?.wasThere ?? change !== 'created'
    const turns = change === 'updated' ? (before?.turns ?? []) : this.#turn(before?.turns ?? [])
    const isDeleted = change === 'deleted'
    if (isDeleted && !wasThere && turns.length === 0) return // nobody has ever heard of it
    this.#entries.set(affiliateId, { revision: this.#revision, isDeleted, wasThere, turns })
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
      else if (wasThereAt(entry, revision)) deletedIds.push(id)
    }
    return { deletedIds, updatedIds }
  }

  /** Watchers were brought to the newest revision, and none of them has less than `slowest`: what all have seen is forgotten. */
  seen(slowest: number): void {
    this.#seenAt = this.#revision
    for (const [id, entry] of this.#entries) {
      if (entry.revision > slowest) return
      this.#take(id)
    }
  }

  /** It came and went, or the other way round, while nobody looked: then it did neither. */
  #turn(turns: readonly number[]): readonly number[] {
    const last = turns.at(-1)
    return last !== undefined && last > this.#seenAt ? turns.slice(0, -1) : [...turns, this.#revision]
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

function wasThereAt({ wasThere, turns }: Entry, revision: number): boolean {
  const turned = turns.filter((turn) => turn <= revision).length
  return wasThere === (turned % 2 === 0)
}
