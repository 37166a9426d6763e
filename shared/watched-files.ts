import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Instant, Milliseconds } from './clock.ts'
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
/** After an event; writers cause several. */
const SETTLE_MS = 50
/** What was read counts once it has stayed the same for so long: a writer may be in the midst of it, or of several files. */
const QUIET_MS = 50
/** The same for an empty file: `command > file` empties it first, and then the command takes its time. */
const QUIET_WHEN_EMPTY_MS = 2_000

/** What the files hold since when, as far as it was seen. */
export interface Reading {
  readonly contents: readonly Buffer[]
  readonly since: Instant
}

/** For how long a reading has still to stay as it is before it counts. */
export function settlesIn({ contents, since }: Reading, now: Instant): Milliseconds {
  const isEmpty = contents.some(({ length }) => length === 0)
  return Math.max(0, since + (isEmpty ? QUIET_WHEN_EMPTY_MS : QUIET_MS) - now)
}

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
  /** Other than what counts; undefined while it is the same. */
  #news: Reading | undefined
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
    const { clock, parse, onChange, poll } = this.#options
    const contents = await readAll(this.#options)
    this.#news = isSame(contents, this.#contents) ? undefined : this.#sinceWhen(contents)
    if (this.#news !== undefined) {
      const again = settlesIn(this.#news, clock.now())
      if (again > 0) return { again }
      this.#value = parse(contents)
      this.#contents = contents
      this.#news = undefined
      onChange(this.#value)
    }
    this.#reported = undefined
    return { again: poll }
  }

  #sinceWhen(contents: readonly Buffer[]): Reading {
    const before = this.#news
    return before !== undefined && isSame(contents, before.contents)
      ? before
      : { contents, since: this.#options.clock.now() }
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

const isSame = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  some.every((bytes, index) => others[index]?.equals(bytes) === true)
