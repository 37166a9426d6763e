import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'

/** USER_HZ of Linux. */
const TICKS_PER_SECOND = 100
const START_LIMIT_MS = 15_000
const CERTIFICATE = resolve(import.meta.dirname, '../support/tls/one.crt')
const KEY = resolve(import.meta.dirname, '../support/tls/one.key')

/** A server under measurement, and all the processes that it is made of. */
export class MeasuredServer implements AsyncDisposable {
  readonly endpoint: string
  readonly isTls: boolean
  readonly #child: ChildProcess
  #pids: readonly number[] = []

  private constructor(endpoint: string, isTls: boolean, child: ChildProcess) {
    this.endpoint = endpoint
    this.isTls = isTls
    this.#child = child
  }

  /**
   * `command` is for a shell: {addr}, {cert} and {key} are filled in, and a part in [[ ]] is kept only for TLS.
   * @throws when nobody listens after a while
   */
  static async start(command: string, isTls: boolean): Promise<MeasuredServer> {
    const endpoint = `127.0.0.1:${await freePort()}`
    const filled = command
      .replace(/\[\[(.*?)\]\]/g, isTls ? '$1' : '')
      .replaceAll('{addr}', endpoint)
      .replaceAll('{cert}', CERTIFICATE)
      .replaceAll('{key}', KEY)
    const child = spawn('sh', ['-c', `exec ${filled}`], {
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, ADDR: endpoint, ...(isTls && { TLS: '1', CERT: CERTIFICATE, KEY }) },
    })
    const server = new MeasuredServer(endpoint, isTls, child)
    const until = performance.now() + START_LIMIT_MS
    while (!(await isOpen(endpoint))) {
      if (child.exitCode !== null || performance.now() > until) {
        await server[Symbol.asyncDispose]()
        throw new Error(`it does not serve: ${filled}`)
      }
      await sleep(50)
    }
    await sleep(500)
    server.#pids = child.pid === undefined ? [] : processTree(child.pid)
    return server
  }

  /** User and system time so far, in seconds. */
  get cpu(): number {
    return this.#sum((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
    })
  }

  /** In KiB. */
  get resident(): number {
    return this.#sum((pid) => {
      const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      return Number(kib)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return
    const over = once(this.#child, 'exit')
    process.kill(-this.#child.pid, 'SIGKILL') // the group that was made for it
    await over
  }

  #sum(figureOf: (pid: number) => number): number {
    return this.#pids.reduce((sum, pid) => sum + figureOf(pid), 0)
  }
}

function processTree(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  return [pid, ...children.flatMap((child) => processTree(Number(child)))]
}

async function isOpen(endpoint: string): Promise<boolean> {
  const [host, port] = endpoint.split(':')
  const socket = connect(Number(port), host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
