import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../support/free-port.ts'

const MAIN = resolve(import.meta.dirname, '../../discovery/main.ts')
const PROBE = resolve(import.meta.dirname, 'probe.ts')

/** In bytes, after a forced collection. */
export interface Memory {
  /** heapUsed + external. */
  readonly held: number
  readonly rss: number
}

/** The real service as a process that tells how much memory it holds. */
export class ProbedService implements AsyncDisposable {
  readonly endpoint: string
  readonly #process: ChildProcess
  readonly #complaints: string[] = []

  private constructor(endpoint: string, child: ChildProcess) {
    this.endpoint = endpoint
    this.#process = child
  }

  /** @throws when it ends before it serves. */
  static async start(...flags: readonly string[]): Promise<ProbedService> {
    const endpoint = `127.0.0.1:${await freePort()}`
    const words = [
      '--expose-gc',
      `--import=${PROBE}`,
      MAIN,
      `-addr=${endpoint}`,
      '-landing-addr=',
      '-metrics-addr=',
      '-snapshots-enabled=false',
      ...flags,
    ]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const service = new ProbedService(endpoint, child)
    const started = Promise.withResolvers<void>()
    started.promise.catch(() => {}) // once it has started, an end is a complaint
    if (child.stderr !== null)
      createInterface(child.stderr).on('line', (line) => {
        if (line.includes('discovery service started')) started.resolve()
        else if (isComplaint(line)) service.#complaints.push(line)
      })
    child.once('exit', (code, signal) => {
      service.#complaints.push(`the process ended: ${code ?? signal}`)
      started.reject(new Error(service.#complaints.join('\n')))
    })
    await started.promise
    return service
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** What the log says that it should not: errors, and all that is no line of the log, such as a stack. */
  get complaints(): readonly string[] {
    return this.#complaints
  }

  /** The most it ever had, in bytes. */
  get rssPeak(): number {
    const [, kib = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? []
    return Number(kib) * 1024
  }

  async memory(): Promise<Memory> {
    const answer = once(this.#process, 'message')
    this.#process.send('memory')
    const [memory] = await answer
    return memory as Memory
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const over = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await over
  }
}

/** Level 50 is pino's error. */
function isComplaint(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { level?: number | string }
    return level === 'error' || Number(level) >= 50
  } catch {
    return true
  }
}
