import type { UnixMilliseconds } from '../../../shared/clock.ts'
import { readOwnFile } from '../../host/own-files.ts'
import { replaceFile } from '../state-file.ts'

/** Where it is kept across restarts which records are our own. */
export interface SealStore {
  load(): Promise<StoredSeals>
  save(seals: StoredSeals): Promise<void>
}

export interface StoredSeals {
  readonly stamps: readonly string[]
  /** When the last one was made. */
  readonly sealedAt: UnixMilliseconds
}

/** So many are remembered: a record is sealed anew when something in it changes, and at each start. */
const SEALS_MAX = 64
const FORMAT = 'openspan seals 1'
const NO_SEALS: StoredSeals = { stamps: [], sealedAt: 0 }

/**
 * The stamps of the records that this node has sealed, in this run and before. A record under our id that opens with the cluster's
 * key and is none of these was sealed by somebody else who uses our id.
 */
export class OwnSeals {
  readonly #warn: (problem: string) => void
  #store: SealStore | undefined
  #stamps: readonly string[] = []
  #sealedAt: UnixMilliseconds = 0
  /** Of those of this run, what they seal. */
  #contents: ReadonlyMap<string, string> = new Map()
  #saving: Promise<void> = Promise.resolve()

  constructor(warn: (problem: string) => void = () => {}) {
    this.#warn = warn
  }

  /** Goes on from what an earlier run has left. */
  async resume(store: SealStore): Promise<void> {
    this.#store = store
    const { stamps, sealedAt } = await store.load()
    this.#stamps = latest([...stamps, ...this.#stamps])
    this.#sealedAt = Math.max(this.#sealedAt, sealedAt)
  }

  /** When a record is sealed now: later than every one before, also when the clock of this host has gone back. */
  nextSealedAt(wall: UnixMilliseconds): UnixMilliseconds {
    this.#sealedAt = Math.max(this.#sealedAt + 1, Math.floor(wall))
    return this.#sealedAt
  }

  /** When the last one was made. */
  get sealedAt(): UnixMilliseconds {
    return this.#sealedAt
  }

  /** Somebody has sealed a record under our id: what we seal next is later, so that it counts. */
  overtake(sealedAt: UnixMilliseconds): void {
    this.#sealedAt = Math.max(this.#sealedAt, sealedAt)
  }

  has(stamp: string): boolean {
    return this.#stamps.includes(stamp)
  }

  /** Whether it was sealed in this run and says this. */
  isOf(stamp: string, content: string): boolean {
    return this.#contents.get(stamp) === content
  }

  /** To be awaited before the record is published: else a copy of it that outlives us would look like somebody else's. */
  async add(stamp: string, content = ''): Promise<void> {
    this.#contents = new Map([...this.#contents, [stamp, content] as const].slice(-SEALS_MAX))
    if (!this.has(stamp)) {
      this.#stamps = latest([...this.#stamps, stamp])
      this.#saving = this.#saving.then(() => this.#save())
    }
    await this.#saving
  }

  async #save(): Promise<void> {
    try {
      await this.#store?.save({ stamps: this.#stamps, sealedAt: this.#sealedAt })
    } catch (error) {
      this.#warn(`it cannot be stored which records are our own: ${(error as Error).message}`)
    }
  }
}

const latest = (stamps: readonly string[]): readonly string[] => [...new Set(stamps)].slice(-SEALS_MAX)

/** In a file of the state directory. */
export const sealFile = (path: string): SealStore => ({
  async load() {
    try {
      const { format, stamps, sealedAt } = JSON.parse(`${await readOwnFile(path)}`)
      return format === FORMAT && Array.isArray(stamps)
        ? { stamps: stamps.map(String), sealedAt: Number.isSafeInteger(sealedAt) ? sealedAt : 0 }
        : NO_SEALS
    } catch {
      return NO_SEALS
    }
  },
  save: (seals) => replaceFile(path, `${JSON.stringify({ format: FORMAT, ...seals })}\n`),
})
