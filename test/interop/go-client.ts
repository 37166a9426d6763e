import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const SOURCES = resolve(import.meta.dirname, 'goclient')
const FILES = ['go.mod', 'go.sum', 'main.go', 'fleet.go', 'node.go']

/** Why the official client cannot be built here; undefined when it can. */
export function missingGo(): string | undefined {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .some((directory) => existsSync(join(directory, 'go')))
  return found ? undefined : 'go is not on the PATH, so the official client cannot be built'
}

/** Builds the program unless the same sources were built before, outside the checkout. Answers its path. */
export async function buildGoClient(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of FILES) hash.update(readFileSync(join(SOURCES, file)))
  const directory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'openspan')
  const binary = join(directory, `goclient-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(binary)) return binary
  await mkdir(directory, { recursive: true })
  const unfinished = `${binary}.${process.pid}`
  await promisify(execFile)('go', ['build', '-mod=readonly', '-buildvcs=false', '-o', unfinished, '.'], {
    cwd: SOURCES,
  })
  await rename(unfinished, binary)
  return binary
}

/** An affiliate as the Go program reads and prints it. */
export interface GoNode {
  readonly nodeId: string
  readonly hostname?: string
  readonly nodename?: string
  readonly machineType?: string
  readonly operatingSystem?: string
  readonly addresses?: readonly string[]
  readonly kubespan?: {
    readonly publicKey: string
    readonly address: string
    readonly additionalAddresses?: readonly string[]
    readonly excludeAdvertisedAddresses?: readonly string[]
  }
  readonly controlPlane?: { readonly port: number }
  readonly endpoints?: readonly string[]
}

export interface GoClientOptions {
  readonly endpoint: string
  /** PEM file of the authority; without it the connection is in plaintext. */
  readonly ca?: string
  readonly cluster: string
  /** Base64 of 32 bytes. */
  readonly secret: string
  readonly ttl: string
}

interface GoEvent {
  readonly event: 'affiliates' | 'stopped'
  readonly client: string
  readonly affiliates?: readonly GoNode[]
  readonly publicIp?: string
  readonly error?: string
}

const POLL_MS = 50
const WAIT_LIMIT_MS = 20_000

/** Any number of official clients in one process, each by the affiliate that it is. */
export class GoClients implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #seen = new Map<string, readonly GoNode[]>()
  readonly #publicIps = new Map<string, string>()
  readonly #stopped = new Set<string>()
  readonly #waiting = new Set<() => void>()
  #isOver = false

  private constructor(child: ChildProcess) {
    this.#process = child
    if (child.stdout !== null)
      createInterface(child.stdout).on('line', (line) => this.#take(JSON.parse(line)))
    child.on('close', () => {
      this.#isOver = true
      for (const look of this.#waiting) look()
    })
  }

  static async start(): Promise<GoClients> {
    return new GoClients(spawn(await buildGoClient(), { stdio: ['pipe', 'pipe', 'inherit'] }))
  }

  /** The client is known by its affiliate id from now on. */
  join(affiliate: string, { ca, ...options }: GoClientOptions): void {
    this.#say({
      op: 'start',
      client: affiliate,
      affiliate,
      ...options,
      ...(ca === undefined ? { insecure: true } : { ca }),
    })
  }

  publish(client: string, local: GoNode): void {
    this.#say({ op: 'publish', client, local })
  }

  /** Takes the affiliate out of the service. */
  leave(client: string): void {
    this.#say({ op: 'delete', client })
  }

  /** Ends the client without a word to the service. */
  async stop(client: string): Promise<void> {
    this.#say({ op: 'stop', client })
    await this.until(`${client} stops`, () => this.#stopped.has(client))
  }

  /** What the client saw last, sorted by node id. */
  seenBy(client: string): readonly GoNode[] {
    return this.#seen.get(client) ?? []
  }

  /** The address that the service told the client; empty when none. */
  publicIpOf(client: string): string {
    return this.#publicIps.get(client) ?? ''
  }

  /** Waits until it is so. @throws after 20 s, or when the program ends. */
  async until(what: string, isSo: () => boolean, limit: number = WAIT_LIMIT_MS): Promise<void> {
    if (isSo()) return
    const { promise, resolve: done, reject } = Promise.withResolvers<void>()
    const look = (): void => {
      if (isSo()) done()
      else if (this.#isOver) reject(new Error(`the Go program ended before ${what}`))
    }
    const timer = setTimeout(() => reject(new Error(`after ${limit} ms still not so: ${what}`)), limit)
    this.#waiting.add(look)
    const poll = setInterval(look, POLL_MS) // a condition may be about the service's log, too
    await promise.finally(() => {
      clearTimeout(timer)
      clearInterval(poll)
      this.#waiting.delete(look)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return
    const over = new Promise((closed) => this.#process.once('close', closed))
    this.#process.stdin?.end()
    await over
  }

  #say(command: object): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  #take({ event, client, affiliates, publicIp }: GoEvent): void {
    if (event === 'stopped') this.#stopped.add(client)
    else {
      this.#seen.set(client, affiliates ?? [])
      this.#publicIps.set(client, publicIp ?? '')
    }
    for (const look of this.#waiting) look()
  }
}
