import { createReadStream } from 'node:fs'
import { copyFile, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import { Reconciler } from '../../shared/reconcile/reconciler.ts'
import type { Clusters, Counts } from '../state/clusters.ts'
import { encodeCluster, SnapshotDecoder } from './snapshot-codec.ts'
import { addCounts, countsOf, exportCluster, importCluster, NO_COUNTS } from './state-snapshot.ts'

/** What a load or a save came to, for logs and metrics. Counts and bytes are those processed, also when it failed. */
export interface StorageOperation {
  readonly operation: 'load' | 'save'
  readonly counts: Counts
  readonly bytes: number
  readonly took: Milliseconds
  readonly error: Error | undefined
  /** Where the unreadable file was kept, if it was. */
  readonly keptAt: string | undefined
}

export interface SnapshotFileOptions {
  readonly path: string
  readonly interval: Milliseconds
  readonly clusters: Clusters
  readonly clock: Clock
  readonly onOperation: (operation: StorageOperation) => void
}

/** Pieces of the file are gathered up to this before they are written; between writes other work gets its turn. */
const WRITE_BATCH_BYTES = 256 * 1024

/** The state on disk: read once at the start, written now and then and at the end (SPEC 1.12, S5–S8 of section 9). */
export class SnapshotFile implements AsyncDisposable {
  readonly #options: SnapshotFileOptions
  readonly #saver: Reconciler
  #first: Disposable | undefined

  constructor(options: SnapshotFileOptions) {
    this.#options = options
    this.#saver = new Reconciler(() => this.#saveAgain(), {
      clock: options.clock,
      backoff: () => options.interval,
      onFailure: () => {}, // told through onOperation
    })
  }

  /** Where a file that could not be read is kept, because the next save replaces it. */
  get unreadablePath(): string {
    return `${this.#options.path}.unreadable`
  }

  /** Never throws: a server without its past is better than none. */
  async load(): Promise<StorageOperation> {
    const { path, clusters, clock } = this.#options
    const startedAt = clock.now()
    const moment = { now: startedAt, wall: clock.wall() }
    const decoder = new SnapshotDecoder()
    let counts = NO_COUNTS
    let bytes = 0
    let error: Error | undefined
    let keptAt: string | undefined
    try {
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        bytes += chunk.length
        for (const cluster of decoder.push(chunk))
          counts = addCounts(counts, importCluster(clusters, cluster, moment))
        if (decoder.error !== undefined) break
      }
      decoder.end()
      error = decoder.error
    } catch (cause) {
      error = cause as Error
    }
    if (error !== undefined && !isMissing(error)) keptAt = await this.#keepUnreadable()
    return this.#report({ operation: 'load', counts, bytes, took: clock.now() - startedAt, error, keptAt })
  }

  /** Saves every interval from now on. */
  start(): void {
    this.#first ??= this.#options.clock.after(this.#options.interval, () => this.#saver.wake())
  }

  /** @throws what made it impossible; the old file is whole then. An empty state is written too (S5). */
  async save(): Promise<void> {
    const { clock } = this.#options
    const startedAt = clock.now()
    const written = { counts: NO_COUNTS, bytes: 0 }
    let error: Error | undefined
    try {
      await this.#write(written)
    } catch (cause) {
      error = cause as Error
    }
    this.#report({ operation: 'save', ...written, took: clock.now() - startedAt, error, keptAt: undefined })
    if (error !== undefined) throw error
  }

  /** Ends the periodic saving; a save in progress is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#first?.[Symbol.dispose]()
    await this.#saver[Symbol.asyncDispose]()
  }

  async #saveAgain(): Promise<{ again: Milliseconds }> {
    await this.save()
    return { again: this.#options.interval }
  }

  async #write(written: { counts: Counts; bytes: number }): Promise<void> {
    const { path, clusters, clock } = this.#options
    const temporary = `${path}.tmp`
    await mkdir(dirname(path), { recursive: true, mode: 0o755 })
    await rm(temporary, { force: true })
    // Cluster ids are what gives access to clusters: nobody else reads them.
    const file = await open(temporary, 'wx', 0o600)
    try {
      let batch: Uint8Array[] = []
      let batchBytes = 0
      for (const cluster of clusters.export()) {
        const snapshot = exportCluster(cluster, clock.now())
        const piece = encodeCluster(snapshot)
        written.counts = addCounts(written.counts, countsOf(snapshot.affiliates))
        written.bytes += piece.length
        batch.push(piece)
        batchBytes += piece.length
        if (batchBytes < WRITE_BATCH_BYTES) continue
        await writeAll(file, batch)
        batch = []
        batchBytes = 0
      }
      await writeAll(file, batch)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  }

  async #keepUnreadable(): Promise<string | undefined> {
    try {
      await copyFile(this.#options.path, this.unreadablePath)
      return this.unreadablePath
    } catch {
      return undefined // it cannot be read at all: the load error says why
    }
  }

  #report(operation: StorageOperation): StorageOperation {
    this.#options.onOperation(operation)
    return operation
  }
}

export const isMissing = (error: Error): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  if (pieces.length > 0) await file.writeFile(Buffer.concat(pieces))
}

/** So that the new name survives a power cut. File systems that cannot do it do without. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory)
    await handle.sync().finally(() => handle.close())
  } catch {}
}
