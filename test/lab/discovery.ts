import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { patient } from '../support/patience.ts'
import type { Box } from './box.ts'
import { inodeOf } from './cleanup.ts'
import { DISCOVERY_PORT } from './lab.ts'
import type { LabProcess } from './process.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const PROGRAM = join(REPOSITORY, 'discovery/main.ts')

/** As the npm scripts have it: six daemons that start at once would else compile the same files six times. */
export const COMPILED_ONCE = { NODE_COMPILE_CACHE: join(REPOSITORY, 'node_modules', '.cache', 'compile') }

export interface DiscoveryOptions {
  readonly port?: number
  readonly flags?: readonly string[]
}

/** A discovery service in a box of the lab: it keeps nothing across a restart. */
export class LabDiscovery implements AsyncDisposable {
  readonly box: Box
  readonly port: number
  readonly #flags: readonly string[]
  #process: LabProcess | undefined
  #isStopped = true

  constructor(box: Box, { port = DISCOVERY_PORT, flags = [] }: DiscoveryOptions = {}) {
    this.box = box
    this.port = port
    this.#flags = flags
  }

  /** Resolves when it listens. */
  async start(): Promise<this> {
    const flags = [
      ...['-addr', `:${this.port}`, '-landing-addr=', '-metrics-addr=', '-snapshots-enabled=false'],
      ...this.#adminFlags,
    ]
    this.#isStopped = false
    this.#process = this.box.spawn(process.execPath, [PROGRAM, ...flags, ...this.#flags], {
      name: `discovery-${this.port}`,
      env: COMPILED_ONCE,
    })
    await waitForListener(this.box, this.#process, this.port)
    return this
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#isStopped = true
    await this.#process?.stop(signal)
  }

  /** Takes a record out of the service, as its operator would. */
  async forget(clusterId: string, nodeId: string): Promise<void> {
    const cluster = createHash('sha256').update(clusterId).digest('hex')
    await this.box.exec(process.execPath, [PROGRAM, ...this.#adminFlags, 'admin', 'forget', cluster, nodeId])
  }

  get #adminFlags(): readonly string[] {
    return ['-admin-addr', `unix:/run/discovery-${this.port}.sock`]
  }

  /** The end of its log when it ended although nobody asked it to; else empty. */
  get crash(): string {
    if (this.#isStopped || this.#process === undefined || this.#process.isRunning) return ''
    return `\nthe discovery service ended by itself:\n${this.#process.output.slice(-2_000)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}

const RETRY_MILLISECONDS = 30

/** Waits until the process, once it has entered the box's namespace, listens on the TCP port. */
export async function waitForListener(
  box: Box,
  server: LabProcess,
  port: number,
  timeoutMilliseconds = 10_000,
): Promise<void> {
  const deadline = performance.now() + patient(timeoutMilliseconds)
  while (!listens(box, server.pid, port)) {
    if (!server.isRunning || performance.now() > deadline)
      throw new Error(`nothing listens on port ${port} of ${box.name}:\n${server.output.slice(-2_000)}`)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS))
  }
}

function listens(box: Box, pid: number, port: number): boolean {
  try {
    if (!readlinkSync(`/proc/${pid}/ns/net`).includes(inodeOf(box.namespace))) return false
    const sockets = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8')).join('')
    return new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 0A `).test(sockets)
  } catch {
    return false
  }
}
