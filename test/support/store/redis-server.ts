import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { RedisAddress } from '../../../discovery/store/address.ts'
import { patient } from '../patience.ts'

const START_LIMIT_MS = 10_000

/** A Redis of the test's own, on a socket in a directory of its own, never the machine's. */
export class RedisServer implements AsyncDisposable {
  readonly directory: string
  readonly #flags: readonly string[]
  #process: ChildProcess | undefined

  private constructor(directory: string, flags: readonly string[]) {
    this.directory = directory
    this.#flags = flags
  }

  /** Without flags it keeps nothing on disk. */
  static async start(...flags: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(await mkdtemp(join(tmpdir(), 'redis-')), flags)
    await server.start()
    return server
  }

  get path(): string {
    return join(this.directory, 'redis.sock')
  }

  get address(): RedisAddress {
    return { kind: 'redis', at: { path: this.path }, isTls: false, user: undefined, database: 0 }
  }

  /** Starts again after `stop`, with what it has kept. */
  async start(): Promise<void> {
    const child = spawn(
      'redis-server',
      ['--port', '0', '--unixsocket', this.path, '--dir', this.directory, '--save', '', ...this.#flags],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#process = child
    let said = ''
    child.stdout.on('data', (text) => {
      said += text
    })
    const failed = once(child, 'exit').then(() => Promise.reject(new Error(`redis-server ended:\n${said}`)))
    failed.catch(() => {})
    await Promise.race([this.#answers(), failed])
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const over = once(child, 'exit')
    child.kill(signal)
    if (signal !== 'SIGCONT') await over
  }

  /** What redis-cli prints for a command. */
  async ask(...words: readonly string[]): Promise<string> {
    const { stdout } = await execa('redis-cli', ['-s', this.path, ...words])
    return stdout
  }

  /** It stays, and answers nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await rm(this.directory, { recursive: true, force: true })
  }

  async #answers(): Promise<void> {
    const until = performance.now() + patient(START_LIMIT_MS)
    while (performance.now() < until) {
      if (await ping(this.path)) return
      await new Promise((done) => setTimeout(done, 10))
    }
    throw new Error('redis-server does not answer')
  }
}

const ping = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = createConnection(path)
    socket.once('error', () => done(false))
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (answer) => {
      socket.destroy()
      done(String(answer).startsWith('+PONG'))
    })
  })
