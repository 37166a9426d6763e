import { constants } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { execa, type Options } from 'execa'
import type { Milliseconds } from '../../shared/clock.ts'
import { InputPipes } from './input-pipes.ts'
import { checkOwnDirectory, openOwnFile } from './own-files.ts'
import { runTool } from './run-tool.ts'
import { StandingTool } from './standing-tool.ts'
import { ToolError } from './tool-error.ts'

const { O_APPEND, O_CREAT, O_WRONLY } = constants

export type Tool =
  | 'ip'
  | 'nft'
  | 'wg'
  | 'wireguard-go'
  | 'fping'
  | 'systemd-notify'
  | 'timedatectl'
  | 'journalctl'

/** The only door to the host's tools. Nobody else starts a process. */
export interface Runner {
  /**
   * Runs a tool to its end and answers what it printed. `input` is its standard input, by a pipe, and the only place
   * for secrets: it appears in no argument, environment or error.
   * @throws ToolError when the tool is missing, fails, or does not end in time
   */
  run(tool: Tool, args: readonly string[], input?: string): Promise<string>
  /** The same for the one question that is asked every few seconds: it costs less, from the second time on. */
  runOften(tool: Tool, args: readonly string[]): Promise<string>
  /** Whether this was one of the last processes that `run` started. */
  hasStarted(pid: number): boolean
  /**
   * The lines that a monitor prints, until `signal` aborts (the iteration then just ends).
   * @throws ToolError when the tool ends by itself
   */
  stream(tool: Tool, args: readonly string[], signal: AbortSignal): AsyncIterable<string>
  /**
   * Starts a process of its own session that outlives this one; what it says is appended to `logName` in the run
   * directory. Resolves once it runs.
   * @throws ToolError when it does not start
   */
  spawnDetached(tool: Tool, args: readonly string[], logName: string): Promise<void>
}

export interface RunnerOptions {
  /** Of the daemon alone, best in memory (/run): large standard inputs pass through it, logs of detached tools lie in it. */
  readonly runDirectory: string
  /** Where the tools are looked for, as PATH spells it. */
  readonly path?: string
  readonly timeout?: Milliseconds
  /** The NOTIFY_SOCKET that systemd gave us: the one thing of our environment that one tool needs. */
  readonly notifySocket?: string | undefined
}

/** Debian keeps these tools where the PATH of an ordinary user does not lead. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Any descriptor: execa's types name a few, its code takes all. */
type Descriptor = 3

/** Long enough for the kernel to remove a chunk of peers at 17 ms each on a slow machine. */
const TIMEOUT: Milliseconds = 30_000

/** What they did is told of within milliseconds; a number is used again after thousands. */
const REMEMBERED_PROCESSES = 32

/** Runs the tools of the network namespace that this process lives in. */
export class ToolRunner implements Runner {
  readonly #runDirectory: string
  readonly #options: Options
  readonly #env: NodeJS.ProcessEnv
  readonly #timeout: Milliseconds
  readonly #notifySocket: string | undefined
  readonly #started: number[] = []
  readonly #inputs: InputPipes
  #standing: { readonly call: string; readonly tool: StandingTool } | undefined

  constructor({ runDirectory, path = SYSTEM_PATH, timeout = TIMEOUT, notifySocket }: RunnerOptions) {
    this.#runDirectory = runDirectory
    this.#notifySocket = notifySocket
    // Nothing of our own environment is handed on: it may hold what is not the tools' business.
    this.#env = { PATH: path, LC_ALL: 'C' }
    this.#timeout = timeout
    this.#inputs = new InputPipes({ directory: runDirectory, env: this.#env })
    this.#options = { extendEnv: false, env: this.#env, reject: false }
  }

  async run(tool: Tool, args: readonly string[], input?: string): Promise<string> {
    if (input === undefined) return await this.#run(tool, args, 'ignore')
    await this.#makeRunDirectory()
    const hide = tool === 'wg' ? hideQuotes : (text: string): string => text
    return await this.#inputs.lend(input, (fd) => this.#run(tool, args, fd, hide))
  }

  async #run(
    tool: Tool,
    args: readonly string[],
    stdin: 'ignore' | number,
    hide: (stderr: string) => string = (stderr) => stderr,
  ): Promise<string> {
    const env =
      tool === 'systemd-notify' && this.#notifySocket !== undefined
        ? { ...this.#env, NOTIFY_SOCKET: this.#notifySocket }
        : this.#env
    const { stdout, ...ended } = await runTool({
      ...{ tool, args, env, stdin, timeout: this.#timeout },
      onStarted: (pid) => this.#remember(pid),
    })
    if (ended.exitCode === 0) return stdout
    throw toToolError({ tool, args }, { ...ended, stderr: hide(ended.stderr) })
  }

  async runOften(tool: Tool, args: readonly string[]): Promise<string> {
    const call = [tool, ...args].join(' ')
    if (this.#standing?.call !== call) {
      this.#standing?.tool.end()
      const standing = new StandingTool({ tool, args, env: this.#env, timeout: this.#timeout })
      this.#standing = { call, tool: standing }
    }
    const { stdout, ...ended } = await this.#standing.tool.run()
    if (ended.exitCode === 0) return stdout
    throw toToolError({ tool, args }, ended)
  }

  hasStarted(pid: number): boolean {
    return this.#started.includes(pid)
  }

  #remember(pid: number | undefined): void {
    if (pid !== undefined) this.#started.push(pid)
    if (this.#started.length > REMEMBERED_PROCESSES) this.#started.shift()
  }

  async *stream(tool: Tool, args: readonly string[], signal: AbortSignal): AsyncIterable<string> {
    if (signal.aborted) return
    const child = execa(tool, args, {
      ...this.#options,
      stdin: 'ignore',
      buffer: { stdout: false, stderr: true },
      cancelSignal: signal,
    })
    const lines = (child.iterable() as AsyncIterable<string>)[Symbol.asyncIterator]()
    try {
      for (let step = await lines.next(); step.done !== true; step = await lines.next()) yield step.value
    } catch {
      // How it ended is judged below, from its result.
    } finally {
      // Before anything waits for the end of the iteration: that waits for the process.
      child.kill()
    }
    const result = await child
    if (!signal.aborted) throw toToolError({ tool, args }, { ...result, stderr: text(result.stderr) })
  }

  async spawnDetached(tool: Tool, args: readonly string[], logName: string): Promise<void> {
    await this.#makeRunDirectory()
    const log = await openOwnFile(`${this.#runDirectory}/${logName}`, O_WRONLY | O_APPEND | O_CREAT)
    try {
      const child = execa(tool, args, {
        ...this.#options,
        stdin: 'ignore',
        stdout: log.fd as Descriptor,
        stderr: log.fd as Descriptor,
        detached: true,
        cleanup: false,
        cwd: '/',
      })
      const failed = await Promise.race([
        new Promise<undefined>((started) => child.nodeChildProcess.once('spawn', () => started(undefined))),
        child,
      ])
      if (failed !== undefined) throw toToolError({ tool, args }, { ...failed, stderr: '' })
      child.nodeChildProcess.unref()
    } finally {
      await log.close()
    }
  }

  async #makeRunDirectory(): Promise<void> {
    await mkdir(this.#runDirectory, { recursive: true, mode: 0o700 })
    await checkOwnDirectory(this.#runDirectory)
  }
}

/** `wg` repeats what it could not read, in quotes of this kind; on standard input that may be a key. */
const hideQuotes = (stderr: string): string => stderr.replace(/`[^']*'/g, '`…')

const text = (output: unknown): string => (typeof output === 'string' ? output : '')

interface Ended {
  readonly timedOut: boolean
  readonly exitCode?: number | undefined
  readonly code?: string | undefined
  readonly stderr: string
}

function toToolError(
  call: { readonly tool: string; readonly args: readonly string[] },
  { timedOut, exitCode, code, stderr }: Ended,
): ToolError {
  if (code === 'ENOENT') return new ToolError('missing', call, {})
  if (timedOut) return new ToolError('timeout', call, { stderr })
  if (exitCode === undefined) return new ToolError('killed', call, { stderr: stderr || (code ?? '') })
  return new ToolError('failed', call, { exitCode, stderr })
}
