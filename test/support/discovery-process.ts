import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'

const START = resolve(import.meta.dirname, '../../discovery/start.sh')
const START_LIMIT_MS = 15_000

/** The discovery service as a process of its own. Without flags it listens on a free loopback port and keeps nothing. */
export class DiscoveryProcess implements AsyncDisposable {
  readonly port: number
  /** Lines of the log, parsed. */
  readonly log: Readonly<Record<string, unknown>>[] = []
  readonly #process: ChildProcess

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#process = child
  }

  /** @throws when it ends before it serves, with what it said. */
  static async start(...flags: readonly string[]): Promise<DiscoveryProcess> {
    return DiscoveryProcess.startAt(await freePort(), ...flags)
  }

  static async startAt(port: number, ...flags: readonly string[]): Promise<DiscoveryProcess> {
    const words = [
      `-addr=127.0.0.1:${port}`,
      '-landing-addr=',
      '-metrics-addr=',
      '-snapshots-enabled=false',
      '-warm-up=0s',
      ...flags,
    ]
    const child = spawn(START, words, { stdio: ['ignore', 'ignore', 'pipe'] })
    const service = new DiscoveryProcess(port, child)
    const started = Promise.withResolvers<void>()
    let said = ''
    if (child.stderr !== null)
      createInterface(child.stderr).on('line', (line) => {
        said += `${line}\n`
        const entry = parseLine(line)
        service.log.push(entry)
        if (entry.msg === 'discovery service started') started.resolve()
      })
    child.once('exit', (code) => started.reject(new Error(`the service ended with ${code}:\n${said}`)))
    const timer = setTimeout(
      () => started.reject(new Error(`the service does not start:\n${said}`)),
      START_LIMIT_MS,
    )
    await started.promise.finally(() => clearTimeout(timer))
    return service
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; took: number }> {
    const startedAt = performance.now()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const over = once(this.#process, 'exit')
      this.#process.kill(signal)
      await over
    }
    return { code: this.#process.exitCode, took: performance.now() - startedAt }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    return { text: line }
  }
}
