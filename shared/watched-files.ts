import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Milliseconds } from './clock.ts'
import { Reconciler } from './reconcile/reconciler.ts'

/** Where files come from: the disk, or a test. */
export interface FileWorld {
  read(path: string): Promise<Buffer>
  /** Calls `changed` when something in the directory may have changed. It may miss changes, or be unable to watch. */
  watch(directory: string, changed: () => void): Disposable
}

export const disk: FileWorld = {
  read: (path) => readFile(path),
  watch(directory, changed) {
    try {
      const watcher = watch(directory, { persistent: false }, changed)
      watcher.on('error', () => watcher.close())
      return { [Symbol.dispose]: () => watcher.close() }
    } catch {
      return { [Symbol.dispose]: () => {} }
    }
  },
}

export interface WatchedFilesOptions<T> {
  readonly paths: readonly string[]
  /** What the contents mean; it throws when they mean nothing. */
  readonly parse: (contents: readonly Buffer[]) => T
  readonly onChange: (value: T) => void
  /** Called once for each new reason why the files cannot be used; the old value stays. */
  readonly onFailure: (error: unknown) => void
  readonly clock: Clock
  /** How often the files are read even if no event came. */
  readonly poll: Milliseconds
  readonly world?: FileWorld
}

export const FILE_POLL_MS: Milliseconds = 10_000
/** A writer that replaces several files is given so long to do it. */
const SETTLE_MS = 100

/**
 * The value of some files that may be replaced while the process runs. Directories are watched, because files are
 * replaced by renames and by symbolic links that turn elsewhere; and all is read again now and then, because no
 * watch sees everything.
 */
export class WatchedFiles<T> implements AsyncDisposable {
  readonly #options: WatchedFilesOptions<T>
  readonly #reader: Reconciler
  readonly #watches: readonly Disposable[]
  #contents: readonly Buffer[]
  #value: T
  #settling: Disposable | undefined
  #reported: string | undefined

  private constructor(options: WatchedFilesOptions<T>, contents: readonly Buffer[], value: T) {
    this.#options = options
    this.#contents = contents
    this.#value = value
    this.#reader = new Reconciler(() => this.#readAgain(), {
      clock: options.clock,
      backoff: () => options.poll,
      onFailure: (error) => this.#report(error),
    })
    const directories = new Set(options.paths.map((path) => dirname(path)))
    const world = options.world ?? disk
    this.#watches = Array.from(directories, (directory) => world.watch(directory, () => this.#settle()))
    this.#reader.wake()
  }

  /** @throws what reading or parsing throws: the first time there is no old value to keep. */
  static async open<T>(options: WatchedFilesOptions<T>): Promise<WatchedFiles<T>> {
    const contents = await readAll(options)
    return new WatchedFiles(options, contents, options.parse(contents))
  }

  get value(): T {
    return this.#value
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watching of this.#watches) watching[Symbol.dispose]()
    this.#settling?.[Symbol.dispose]()
    await this.#reader[Symbol.asyncDispose]()
  }

  #settle(): void {
    this.#settling ??= this.#options.clock.after(SETTLE_MS, () => {
      this.#settling = undefined
      this.#reader.wake()
    })
  }

  async #readAgain(): Promise<{ again: Milliseconds }> {
    const contents = await readAll(this.#options)
    const isSame = contents.every((bytes, index) => this.#contents[index]?.equals(bytes) === true)
    if (!isSame) {
      this.#value = this.#options.parse(contents)
      this.#contents = contents
      this.#options.onChange(this.#value)
    }
    this.#reported = undefined
    return { again: this.#options.poll }
  }

  #report(error: unknown): void {
    const reason = String(error)
    if (reason === this.#reported) return
    this.#reported = reason
    this.#options.onFailure(error)
  }
}

const readAll = <T>({ paths, world = disk }: WatchedFilesOptions<T>): Promise<readonly Buffer[]> =>
  Promise.all(paths.map((path) => world.read(path)))
