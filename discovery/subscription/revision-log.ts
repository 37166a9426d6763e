/** So many deletions are remembered; a watcher that is further behind starts anew (SPEC 9, S16). */
export const DELETIONS_MAX = 4096
/** The log is rewritten when this many of its entries are overtaken by later ones. */
const STALE_MAX = 1024

/** What takes a watcher from the revision that it has to the newest. */
export interface ChangeSet {
  readonly deletedIds: readonly string[]
  readonly updatedIds: readonly string[]
}

interface Change {
  /** When it last changed. */
  readonly revision: number
  /** When it appeared: a watcher that has seen less has never heard of it. */
  readonly bornAt: number
  readonly isDeleted: boolean
}

/**
 * Which affiliate changed at which revision of a cluster. Only the last change of each id counts, so what a watcher is
 * told is the net change, and the log is bounded by the cluster and its remembered deletions.
 */
export class RevisionLog {
  readonly #changes = new Map<string, Change>()
  /** Revisions in ascending order, and the id that changed at each; some are overtaken. */
  #revisions: number[] = []
  #ids: string[] = []
  #revision = 0
  /** Deletions up to here are forgotten. */
  #floor = 0
  #deletions = 0

  get revision(): number {
    return this.#revision
  }

  /** Notes that an affiliate changed, appeared or went. `existed`: it was there before this log began. */
  note(id: string, isDeleted: boolean, existed: boolean): void {
    const before = this.#changes.get(id)
    const revision = ++this.#revision
    const bornAt = before?.bornAt ?? (existed ? 0 : revision)
    if (before?.isDeleted) this.#deletions -= 1
    this.#changes.set(id, { revision, bornAt, isDeleted })
    this.#revisions.push(revision)
    this.#ids.push(id)
    if (isDeleted && ++this.#deletions > DELETIONS_MAX) this.#forgetOldestDeletion()
    if (this.#ids.length - this.#changes.size > STALE_MAX) this.#compact()
  }

  /** Net changes since `revision`; undefined when deletions in between are forgotten. */
  since(revision: number): ChangeSet | undefined {
    if (revision < this.#floor) return undefined
    const deletedIds: string[] = []
    const updatedIds: string[] = []
    for (let index = this.#firstAfter(revision); index < this.#ids.length; index++) {
      const id = this.#ids[index] as string
      const change = this.#changes.get(id)
      if (change === undefined || change.revision !== this.#revisions[index]) continue
      if (!change.isDeleted) updatedIds.push(id)
      else if (change.bornAt <= revision) deletedIds.push(id)
    }
    return { deletedIds, updatedIds }
  }

  #firstAfter(revision: number): number {
    let low = 0
    let high = this.#revisions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#revisions[middle] as number) > revision) high = middle
      else low = middle + 1
    }
    return low
  }

  #forgetOldestDeletion(): void {
    for (let index = 0; index < this.#ids.length; index++) {
      const id = this.#ids[index] as string
      const change = this.#changes.get(id)
      if (change === undefined || !change.isDeleted || change.revision !== this.#revisions[index]) continue
      this.#changes.delete(id)
      this.#deletions -= 1
      this.#floor = change.revision
      return
    }
  }

  #compact(): void {
    const kept = this.#revisions.flatMap((revision, index) => {
      const id = this.#ids[index] as string
      return this.#changes.get(id)?.revision === revision ? [[revision, id] as const] : []
    })
    this.#revisions = kept.map(([revision]) => revision)
    this.#ids = kept.map(([, id]) => id)
  }
}
