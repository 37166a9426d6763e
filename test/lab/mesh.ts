import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ControlClient, NotRunningError } from '../../kubespan/control/client.ts'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { Box, LabHost } from './box.ts'
import { inodeOf } from './cleanup.ts'
import { DISCOVERY_PORT, type Lab } from './lab.ts'
import {
  type ClusterCredentials,
  DAEMON_RUN_DIRECTORY,
  type NodeConfigOptions,
  nodeConfig,
} from './node-config.ts'
import { type Finished, type LabProcess, type RunOptions, run } from './process.ts'
import { type HostSpec, whyUnreachable } from './topology.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const program = (half: 'discovery' | 'kubespan'): string => join(REPOSITORY, half, 'main.ts')

/** As the npm scripts have it: six daemons that start at once would else compile the same files six times. */
const COMPILED_ONCE = { NODE_COMPILE_CACHE: join(REPOSITORY, 'node_modules', '.cache', 'compile') }

/** Compiles the daemon, so that the first start in a fresh clone costs no more than later ones. */
export const compileDaemon = async (): Promise<void> => {
  const modules = ['main.ts', 'run.ts'].map((file) => JSON.stringify(join(REPOSITORY, 'kubespan', file)))
  // main.ts acts when it is loaded, and --version is the least that it can do.
  const script = `process.argv.push('--version'); for (const file of [${modules}]) await import(file)`
  await run([process.execPath, '--input-type=module', '-e', script], {
    env: { ...COMPILED_ONCE, PATH: process.env.PATH ?? '' },
  })
}

export interface MeshOptions extends Partial<Omit<NodeConfigOptions, 'cluster' | 'documents'>> {
  /** Hosts whose daemon starts at once; all by default. */
  readonly hosts?: readonly LabHost[]
  /** Over the default configuration of a host. */
  readonly documents?: (host: LabHost) => NodeConfigOptions['documents']
  readonly discoveryFlags?: readonly string[]
}

/** Starts the discovery service of the lab, then a daemon on every host. Wait for the mesh with `full`. */
export async function mesh(lab: Lab, options: MeshOptions = {}): Promise<Mesh> {
  const started = new Mesh(lab, options)
  try {
    await started.startDiscovery()
    for (const host of options.hosts ?? lab.hosts) started.startDaemon(host)
    return started
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
}

/** A discovery service and KubeSpan daemons in a lab. Disposing of it ends these processes; the tunnels stay until the lab goes. */
export class Mesh implements AsyncDisposable {
  readonly lab: Lab
  readonly cluster: ClusterCredentials
  readonly #options: MeshOptions
  readonly #daemons = new Map<LabHost, LabProcess>()
  #discovery: LabProcess | undefined
  #isDiscoveryStopped = false

  constructor(lab: Lab, options: MeshOptions = {}) {
    this.lab = lab
    this.#options = options
    this.cluster = {
      clusterId: randomBytes(32).toString('base64'),
      clusterSecret: randomBytes(32).toString('base64'),
    }
  }

  get #port(): number {
    return this.#options.discoveryPort ?? DISCOVERY_PORT
  }

  async startDiscovery(): Promise<void> {
    const flags = ['-addr', `:${this.#port}`, '-landing-addr=', '-metrics-addr=', '-snapshots-enabled=false']
    const box = this.lab.internet
    this.#isDiscoveryStopped = false
    this.#discovery = box.spawn(
      process.execPath,
      [program('discovery'), ...flags, ...(this.#options.discoveryFlags ?? [])],
      { name: 'discovery', env: COMPILED_ONCE },
    )
    await waitForListener(box, this.#discovery, this.#port)
  }

  async stopDiscovery(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#isDiscoveryStopped = true
    await this.#discovery?.stop(signal)
  }

  /** Where the configuration of a host is: tests may rewrite it. */
  configFile(host: LabHost): string {
    return join(host.directory, 'kubespan.yaml')
  }

  writeConfig(host: LabHost, documents?: NodeConfigOptions['documents']): void {
    const { timing, services } = this.#options
    const text = nodeConfig(host, {
      cluster: this.cluster,
      discoveryPort: this.#port,
      ...(timing && { timing }),
      ...(services && { services }),
      documents: documents ?? this.#options.documents?.(host) ?? {},
    })
    writeFileSync(this.configFile(host), text, { mode: 0o600 })
  }

  startDaemon(host: LabHost, flags: readonly string[] = []): LabProcess {
    this.writeConfig(host)
    const daemon = host.spawn(
      process.execPath,
      [program('kubespan'), 'run', '--config', this.configFile(host), ...flags],
      { name: 'kubespan', env: COMPILED_ONCE },
    )
    this.#daemons.set(host, daemon)
    return daemon
  }

  daemon(host: LabHost): LabProcess {
    const daemon = this.#daemons.get(host)
    if (daemon === undefined) throw new RangeError(`no daemon was started on ${host.name}`)
    return daemon
  }

  /** Hosts whose daemon was started, whatever became of it. */
  get hosts(): readonly LabHost[] {
    return [...this.#daemons.keys()]
  }

  /** A `kubespan` command as its user would type it on that host. */
  kubespan(host: LabHost, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return host.exec(
      process.execPath,
      [program('kubespan'), ...args, '--config', this.configFile(host)],
      options,
    )
  }

  /** Speaks to the daemon of the host from outside its namespace: a unix socket knows no network. */
  control(host: LabHost): ControlClient {
    const directory = DAEMON_RUN_DIRECTORY.replace(/^\/run/, host.runDirectory)
    return new ControlClient(join(directory, 'kubespan.sock'))
  }

  /**
   * Waits until what the daemon of the host says of itself is as wanted; it tells of every change by itself. Throws,
   * with the end of its log, when it ends or the time is over.
   */
  async until(
    host: LabHost,
    isSo: (view: DaemonView) => boolean,
    timeoutMilliseconds = 20_000,
  ): Promise<DaemonView> {
    const over = AbortSignal.timeout(timeoutMilliseconds)
    let last: DaemonView | undefined
    while (!over.aborted) {
      const daemon = this.daemon(host)
      if (!daemon.isRunning)
        throw new Error(`the daemon of ${host.name} ended:\n${daemon.output.slice(-2_000)}`)
      try {
        for await (const view of this.control(host).watch(over)) {
          last = view
          if (isSo(view)) return view
        }
      } catch (error) {
        if (!(error instanceof NotRunningError) && !isBrokenOff(error)) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS))
    }
    const peers = last?.peers
      .map(({ label, state, endpoint }) => `${label} ${state} ${endpoint ?? ''}`)
      .join(', ')
    throw new Error(
      `${host.name} is not as wanted after ${timeoutMilliseconds} ms; peers: ${peers ?? 'unknown'}\n${this.daemon(host).output.slice(-2_000)}${this.#discoveryCrash()}`,
    )
  }

  #discoveryCrash(): string {
    const discovery = this.#discovery
    if (discovery === undefined || discovery.isRunning || this.#isDiscoveryStopped) return ''
    return `\nthe discovery service ended by itself:\n${discovery.output.slice(-2_000)}`
  }

  /** The hosts that a host can reach at all, of those whose daemon runs. */
  expectedPeers(host: LabHost): readonly LabHost[] {
    const now = ({ spec, network }: LabHost): HostSpec => ({ ...spec, network })
    return this.hosts.filter(
      (other) => other !== host && whyUnreachable(this.lab.topology, now(host), now(other)) === undefined,
    )
  }

  /** Waits until every pair of hosts that can reach each other is up, seen from both. `onView` sees all views on the way. */
  async full(
    timeoutMilliseconds = 30_000,
    onView: (host: LabHost, view: DaemonView) => void = () => {},
  ): Promise<void> {
    await Promise.all(
      this.hosts.map((host) => {
        const names = this.expectedPeers(host).map(({ name }) => name)
        return this.until(
          host,
          (view) => {
            onView(host, view)
            return names.every((name) => isUp(view, name))
          },
          timeoutMilliseconds,
        )
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = [...this.#daemons.values(), ...(this.#discovery ? [this.#discovery] : [])]
    await Promise.all(processes.map((one) => one[Symbol.asyncDispose]()))
  }
}

export const isUp = (view: DaemonView, label: string): boolean =>
  view.peers.some((peer) => peer.label === label && peer.state === 'up')

const RETRY_MILLISECONDS = 30

const isBrokenOff = (error: unknown): boolean =>
  ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')

/** Waits until the process, once it has entered the box's namespace, listens on the TCP port. */
export async function waitForListener(
  box: Box,
  server: LabProcess,
  port: number,
  timeoutMilliseconds = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMilliseconds
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
