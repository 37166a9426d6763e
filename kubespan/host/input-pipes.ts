import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { withInputFile } from './input-file.ts'
import { RealPipe } from './real-pipe.ts'

export interface InputPipesOptions {
  /** Where what does not fit into a pipe waits for it, in files without names. */
  readonly directory: string
  /** Of the processes that help. */
  readonly env: NodeJS.ProcessEnv
}

/**
 * Lends descriptors that read as an input. They are pipes: `wg` and `nft` open /dev/stdin by name, which a socket refuses
 * (ENXIO), and AppArmor lets `wg` read from pipes and from /etc/wireguard only. What is lent is complete from the
 * beginning, so a tool never gets half of it, whatever happens to us. Pipes are used again; most inputs fit into one, and
 * then nothing is written to a file and no further process is started.
 */
export class InputPipes {
  readonly #options: InputPipesOptions
  readonly #free: RealPipe[] = []

  constructor(options: InputPipesOptions) {
    this.#options = options
  }

  async lend<T>(input: string, use: (fd: number) => Promise<T>): Promise<T> {
    const bytes = Buffer.from(input)
    const pipe = await this.#filled(bytes)
    // Only where there are no pipes: a tool that may read nothing else says so.
    if (pipe === undefined) return await withInputFile(this.#options.directory, bytes, use)
    try {
      return await use(pipe.reader)
    } finally {
      if (pipe.isSpent()) this.#free.push(pipe)
      else pipe.close()
    }
  }

  async #filled(bytes: Buffer): Promise<RealPipe | undefined> {
    let pipe: RealPipe | undefined
    try {
      pipe = this.#free.pop() ?? (await RealPipe.open(this.#options.env))
      const written = pipe.write(bytes)
      if (written < bytes.length) await this.#feed(pipe, bytes.subarray(written))
      return pipe
    } catch {
      pipe?.close()
      return undefined
    }
  }

  /** Has the rest written while the tool reads, by a process that does not need us any more. */
  async #feed(pipe: RealPipe, rest: Buffer): Promise<void> {
    await withInputFile(this.#options.directory, rest, async (fd) => {
      const writer = pipe.openWriter()
      try {
        const feeder = spawn('cat', [], { env: this.#options.env, stdio: [fd, writer, 'ignore'] })
        await new Promise<void>((resolve, reject) => {
          feeder.once('spawn', resolve)
          feeder.once('error', reject)
        })
      } finally {
        closeSync(writer)
      }
    })
  }
}
