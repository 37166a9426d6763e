import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { delimiter, dirname } from 'node:path'
import { patient } from '../support/patience.ts'

/** The tools of the lab live in sbin, which not every root has on its PATH. */
export const TOOL_PATH = [dirname(process.execPath), process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter)

export interface RunOptions {
  readonly input?: string
  readonly timeoutMilliseconds?: number
  /** The whole environment; by default this process's own. */
  readonly env?: Readonly<Record<string, string>>
  readonly group?: ProcessGroup
  /** False: an exit status other than 0 is returned, not thrown. */
  readonly check?: boolean
}

/**
 * The processes that this program has started for one purpose. They are known from the first moment, while they are
 * still on their way into a namespace and cannot be found there.
 */
export class ProcessGroup {
  readonly #children = new Set<ChildProcess>()

  add<T extends ChildProcess>(child: T): T {
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

export interface Finished {
  readonly stdout: string
  readonly stderr: string
  /** Exit status; 128 + number for a signal, as shells count; 124 after the timeout. */
  readonly code: number
}

/** A command ended with another status than 0, or not in time. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly finished: Finished

  constructor(command: readonly string[], finished: Finished) {
    const said = `${finished.stderr}${finished.stdout}`.trim().split('\n').slice(-12).join('\n')
    super(`${command.join(' ')}: status ${finished.code}${said === '' ? '' : `\n${said}`}`)
    this.finished = finished
  }
}

const withTools = (): NodeJS.ProcessEnv => ({ ...process.env, PATH: TOOL_PATH })

const COMMAND_TIMEOUT_MILLISECONDS = 30_000
const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143 } as Record<string, number>

/** Runs a command to its end. Throws CommandError when it fails or does not end in time. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { input, env, group, check = true, timeoutMilliseconds = COMMAND_TIMEOUT_MILLISECONDS } = options
  const [file = '', ...args] = command
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: env ?? withTools() })
  group?.add(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.on('error', () => {}) // it ended before it read everything: its status says why
  child.stdin.end(input ?? '')
  let isLate = false
  const alarm = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
    // Whatever it started may still hold the pipes.
    child.stdout.destroy()
    child.stderr.destroy()
  }, patient(timeoutMilliseconds))
  try {
    const finished = await new Promise<Finished>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) =>
        resolve({ ...output, code: isLate ? 124 : (code ?? SIGNAL_STATUS[signal ?? ''] ?? 128) }),
      )
    })
    if (check && finished.code !== 0) throw new CommandError(command, finished)
    return finished
  } finally {
    clearTimeout(alarm)
  }
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly group?: ProcessGroup
  /** The file that standard output and error go to. */
  readonly logPath: string
}

/** A process that runs beside the test; disposing of it ends it. Its output goes to a file, so that it never waits for a reader. */
export class LabProcess implements AsyncDisposable {
  readonly logPath: string
  /** Settles when it has ended; never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly #child: ChildProcess
  #isRunning = true

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child
    this.logPath = logPath
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#isRunning = false
        resolve({ code, signal })
      })
      child.once('error', () => {
        this.#isRunning = false
        resolve({ code: 127, signal: null })
      })
    })
  }

  static start(command: readonly string[], { env, logPath, group }: SpawnOptions): LabProcess {
    const [file = '', ...args] = command
    const log = openSync(logPath, 'a', 0o600)
    try {
      const child = spawn(file, args, { stdio: ['ignore', log, log], env: env ?? withTools() })
      group?.add(child)
      return new LabProcess(child, logPath)
    } finally {
      closeSync(log)
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Everything it has written so far, and whoever wrote to the same file before it. */
  get output(): string {
    return readFileSync(this.logPath, 'utf8')
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.#isRunning) this.#child.kill(signal)
  }

  /** Sends the signal and waits for the end; after `patienceMilliseconds` it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMilliseconds = 5_000): Promise<void> {
    this.kill(signal)
    const alarm = setTimeout(() => this.kill('SIGKILL'), patient(patienceMilliseconds))
    await this.ended
    clearTimeout(alarm)
  }

  /** Waits until the output matches. Throws when the process ends first or the time is over, and shows what it wrote. */
  async waitFor(pattern: RegExp, timeoutMilliseconds = 10_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + patient(timeoutMilliseconds)
    for (;;) {
      const isRunning = this.#isRunning
      const match = pattern.exec(this.output)
      if (match !== null) return match
      const problem = !isRunning ? 'it ended' : performance.now() > deadline ? 'time is over' : undefined
      if (problem !== undefined)
        throw new Error(`${pattern} was not printed: ${problem}\n${lastLines(this.output)}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop('SIGKILL')
  }
}

const POLL_MILLISECONDS = 20
const lastLines = (text: string): string => text.trim().split('\n').slice(-20).join('\n')
