import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import type { Milliseconds } from '../../shared/clock.ts'

/**
 * Makes a pipe, prints the id of a process that has its reading end as descriptor 4, and keeps it until standard input ends.
 * (`read` itself turns descriptor 0 round, hence 4.) That process carries the word that the shell is called by.
 */
const HOLDER = `exec 3<&0
: | /bin/sh -c 'exec 4<&0; echo $$; read -r _ <&3' "$0"`

/** A shell needs some milliseconds for it. */
const HOLDER_LIMIT: Milliseconds = 5_000

/**
 * A pipe as pipe(2) makes it, which Node does not offer: what it calls a pipe to a child is a socket. A shell makes one and
 * goes away again; it lives as long as `reader` is open.
 */
export class RealPipe {
  /** Its reading end, for standard inputs of children. */
  readonly reader: number

  private constructor(reader: number) {
    this.reader = reader
  }

  /** Throws where none is to be had: without a shell or /proc, or when we may not look at our children. */
  static async open(env: NodeJS.ProcessEnv): Promise<RealPipe> {
    const word = randomUUID()
    const holder = spawn('/bin/sh', ['-c', HOLDER, word], {
      ...{ env, timeout: HOLDER_LIMIT },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    holder.stdin.on('error', () => {})
    const ended = new Promise((resolve) => {
      holder.once('close', resolve)
      holder.once('error', resolve)
    })
    try {
      const pid = Number(await firstLine(holder))
      // Where processes are numbered otherwise than in /proc, this may be anybody's.
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8')
      if (!words.includes(word)) throw new Error(`process ${pid} is not the one that holds the pipe`)
      return new RealPipe(openSync(`/proc/${pid}/fd/4`, constants.O_RDONLY))
    } finally {
      // With the processes go all ends of the pipe that are not ours.
      holder.stdin.end()
      await ended
    }
  }

  /** Writes as much as fits, 64 KiB as a rule, and answers how much that was. */
  write(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0
    const writer = this.openWriter(constants.O_NONBLOCK)
    try {
      return writeSync(writer, bytes)
    } finally {
      closeSync(writer)
    }
  }

  /** Another writing end, for the caller to close: readers meet the end of input when all of them are closed. */
  openWriter(flags = 0): number {
    return openSync(`/proc/self/fd/${this.reader}`, constants.O_WRONLY | flags)
  }

  /** Whether nothing is left in it and nobody can write to it: then it is as good as new, else of no use any more. */
  isSpent(): boolean {
    try {
      return this.#readWaiting() === ''
    } catch {
      // Somebody may still write.
      return false
    }
  }

  close(): void {
    closeSync(this.reader)
  }

  #readWaiting(): string {
    // A descriptor of its own: not to wait is a property of the open file, and children share ours.
    const fd = openSync(`/proc/self/fd/${this.reader}`, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const buffer = Buffer.alloc(64)
      return buffer.toString('latin1', 0, readSync(fd, buffer))
    } finally {
      closeSync(fd)
    }
  }
}

const firstLine = (child: ChildProcessByStdio<Writable, Readable, null>): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.endsWith('\n')) resolve(said.trim())
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error('the shell holds no pipe')))
  })
