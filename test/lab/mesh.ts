import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ControlClient, NotRunningError } from '../../kubespan/control/client.ts'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { patient } from '../support/patience.ts'
import type { LabHost } from './box.ts'
import { COMPILED_ONCE, LabDiscovery } from './discovery.ts'
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
const PROGRAM = join(REPOSITORY, 'kubespan/main.ts')

/** Compiles the daemon, so that the first start in a fresh clone costs no more than later ones. */
export const compileDaemon = async (): Promise<void> => {
  const modules = ['main.ts', 'commands/run.ts'].map((file) =>
    JSON.stringify(join(REPOSITORY, 'kubespan', file)),
  )
  // main.ts acts when it is loaded, and --version is the least that it can do.
  const script = `process.argv.push('--version'); for (const file of [${modules}]) await import(file)`
  await run([process.execPath, '--input-type=module', '-e', script], {
    env: { ...COMPILED_ONCE, PATH: process.env.PATH ?? '' },
  })
}

export interface MeshOptions extends Partial<Omit<NodeConfigOptions, 'cluster' | 'documents' | 'services'>> {
  /** Hosts whose daemon starts at once; all by default. */
  readonly hosts?: readonly LabHost[]
  /** Over the default configuration of a host. */
  readonly documents?: (host: LabHost) => NodeConfigOptions['documents']
  /** URLs instead of the one discovery service of the lab, the same for all hosts or not. */
  readonly services?: readonly string[] | ((host: LabHost) => readonly string[] | undefined)
  /** Another one than the first on the same hosts: its files and directories have this in their names. */
  readonly instance?: string
  /** The text of a host's configuration file, where documents are not what is wanted. */
  readonly config?: (host: LabHost, options: NodeConfigOptions) => string
  readonly discoveryFlags?: readonly string[]
}

export interface DaemonOptions {
  readonly env?: Readonly<Record<string, string>>
  /** A shell script that runs before the daemon and where it will run: what it mounts only the daemon sees. */
  readonly setup?: string
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
  readonly #discovery: LabDiscovery

  constructor(lab: Lab, options: MeshOptions = {}) {
    this.lab = lab
    this.#options = options
    this.cluster = {
      clusterId: randomBytes(32).toString('base64'),
      clusterSecret: randomBytes(32).toString('base64'),
    }
    this.#discovery = new LabDiscovery(lab.internet, {
      port: options.discoveryPort ?? DISCOVERY_PORT,
      flags: options.discoveryFlags ?? [],
    })
  }

  /** Takes the record of a host out of the service, as its operator would. */
  async forgetRecord(nodeId: string): Promise<void> {
    await this.#discovery.forget(this.cluster.clusterId, nodeId)
  }

  get #instance(): string {
    return this.#options.instance ?? ''
  }

  async startDiscovery(): Promise<void> {
    await this.#discovery.start()
  }

  async stopDiscovery(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#discovery.stop(signal)
  }

  /** Where the configuration of a host is: tests may rewrite it. */
  configFile(host: LabHost): string {
    return join(host.directory, `kubespan${this.#instance}.yaml`)
  }

  writeConfig(host: LabHost, documents?: NodeConfigOptions['documents']): void {
    const { timing, services, instance, config = nodeConfig } = this.#options
    const urls = typeof services === 'function' ? services(host) : services
    const text = config(host, {
      cluster: this.cluster,
      discoveryPort: this.#discovery.port,
      ...(timing && { timing }),
      ...(urls && { services: urls }),
      ...(instance && { instance }),
      documents: documents ?? this.#options.documents?.(host) ?? {},
    })
    writeFileSync(this.configFile(host), text, { mode: 0o600 })
  }

  startDaemon(host: LabHost, flags: readonly string[] = [], { env, setup }: DaemonOptions = {}): LabProcess {
    this.writeConfig(host)
    const command = [process.execPath, PROGRAM, 'run', '--config', this.configFile(host), ...flags]
    const daemon = host.spawn('sh', ['-ec', `${setup ?? ''}\nexec "$@"`, 'sh', ...command], {
      name: `kubespan${this.#instance}`,
      // The second as the service file has it.
      env: { ...COMPILED_ONCE, MALLOC_ARENA_MAX: '1', ...env },
    })
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
    const command = [PROGRAM, ...args, '--config', this.configFile(host)]
    return host.exec(process.execPath, command, { env: COMPILED_ONCE, ...options })
  }

  /** Speaks to the daemon of the host from outside its namespace: a unix socket knows no network. */
  control(host: LabHost): ControlClient {
    const directory = `${DAEMON_RUN_DIRECTORY}${this.#instance}`.replace(/^\/run/, host.runDirectory)
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
    const over = AbortSignal.timeout(patient(timeoutMilliseconds))
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
        if (!(error instanceof NotRunningError) && !isBrokenOff(error) && !over.aborted) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS))
    }
    const peers = last?.peers
      .map(({ label, state, endpoint }) => `${label} ${state} ${endpoint ?? ''}`)
      .join(', ')
    throw new Error(
      `${host.name} is not as wanted after ${timeoutMilliseconds} ms; peers: ${peers ?? 'unknown'}\n${this.daemon(host).output.slice(-2_000)}${this.#discovery.crash}`,
    )
  }

  /** What the daemons have said of their peers, and of what went wrong: the end of it, host by host. */
  get history(): string {
    return this.hosts
      .map((host) => {
        const lines = this.daemon(host).output.split('\n')
        const telling = lines.filter((line) => /peer state changed|"level":"(?:warn|error)"|^[^{]/.test(line))
        return [`== ${host.name}`, ...telling.slice(-HISTORY_LINES)].join('\n')
      })
      .join('\n')
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
    const processes = [...this.#daemons.values(), this.#discovery]
    await Promise.all(processes.map((one) => one[Symbol.asyncDispose]()))
  }
}

export const isUp = (view: DaemonView, label: string): boolean =>
  view.peers.some((peer) => peer.label === label && peer.state === 'up')

const RETRY_MILLISECONDS = 30
const HISTORY_LINES = 20

const isBrokenOff = (error: unknown): boolean =>
  ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')
