import { existsSync, mkdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Attachment } from './attachment.ts'
import { type Finished, LabProcess, type ProcessGroup, type RunOptions, run, TOOL_PATH } from './process.ts'
import type { HostSpec } from './topology.ts'

export type Place = Pick<Box, 'name' | 'namespace' | 'directory' | 'group'>

/**
 * One namespace of a lab with a directory of its own. Everything that runs in it sees only its network, and its own
 * /run instead of the machine's: /run/wireguard, the daemon's socket and locks are per box, like on real machines.
 */
export class Box {
  readonly name: string
  /** As `ip netns` knows it. */
  readonly namespace: string
  /** The box's files; removed with the lab. */
  readonly directory: string
  /** Everything that was started from here, in any box of the lab. */
  readonly group: ProcessGroup

  constructor(place: Place) {
    this.name = place.name
    this.namespace = place.namespace
    this.directory = place.directory
    this.group = place.group
  }

  makeDirectories(): void {
    mkdirSync(join(this.runDirectory, 'wireguard'), { recursive: true, mode: 0o700 })
    mkdirSync(this.stateDirectory, { mode: 0o700 })
  }

  /** What the box sees as /run: its unix sockets can be reached from outside here. */
  get runDirectory(): string {
    return join(this.directory, 'run')
  }

  get stateDirectory(): string {
    return join(this.directory, 'state')
  }

  /** Runs a command inside, with an environment of the box's own. Throws CommandError when it fails. */
  exec(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return run(this.#inside(command, args), {
      ...options,
      env: this.#environment(options.env),
      group: this.group,
    })
  }

  /** Runs a shell script inside. */
  sh(script: string, options: Omit<RunOptions, 'input'> = {}): Promise<Finished> {
    return this.exec('sh', ['-e'], { ...options, input: script })
  }

  /** Starts a process inside whose output goes to `NAME.log` in the box's directory. */
  spawn(
    command: string,
    args: readonly string[] = [],
    options: { readonly env?: Readonly<Record<string, string>>; readonly name?: string } = {},
  ): LabProcess {
    return LabProcess.start(this.#inside(command, args), {
      env: this.#environment(options.env),
      group: this.group,
      logPath: join(this.directory, `${options.name ?? 'process'}.log`),
    })
  }

  /** When this file is there, what starts in the box sees it as /etc/hosts. Write into it, replacing it does nothing. */
  get hostsFile(): string {
    return join(this.directory, 'hosts')
  }

  /** `ip netns exec` makes a new mount namespace on every call, so /run is mounted on every call too. */
  #inside(command: string, args: readonly string[]): string[] {
    const mounts = [
      ...RUN_PATHS.map((path) => `mount --bind "$0" ${path}`),
      ...(existsSync(this.hostsFile) ? ['mount --bind "$0/../hosts" /etc/hosts'] : []),
    ]
    const script = `${mounts.join(' && ')} && exec "$@"`
    return ['ip', 'netns', 'exec', this.namespace, 'sh', '-c', script, this.runDirectory, command, ...args]
  }

  #environment(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
    return { PATH: TOOL_PATH, HOME: this.stateDirectory, LANG: 'C.UTF-8', ...more }
  }
}

/** /var/run is a link to /run on most machines, and a directory on some. */
const RUN_PATHS = ((): readonly string[] => {
  try {
    readlinkSync('/var/run')
    return ['/run']
  } catch {
    return ['/run', '/var/run']
  }
})()

/** A host of the topology. Its uplink changes when it moves or takes another address. */
export class LabHost extends Box {
  readonly spec: HostSpec
  /** From 1, in the order of the topology: it stands in the host's addresses. */
  readonly index: number
  readonly pod: Box | undefined
  /** The name of the network that the uplink leads to: `wan` or a NAT. */
  network: string
  uplink: Attachment
  readonly lans = new Map<string, Attachment>()

  constructor(place: Place, spec: HostSpec, index: number, uplink: Attachment, pod: Box | undefined) {
    super(place)
    this.spec = spec
    this.index = index
    this.network = spec.network
    this.uplink = uplink
    this.pod = pod
  }

  get v4(): string | undefined {
    return this.uplink.v4?.address
  }

  get v6(): string | undefined {
    return this.uplink.v6?.address
  }

  /** Every address of the host's own links except those of the tunnel and of pods. */
  get addresses(): readonly string[] {
    return [this.uplink, ...this.lans.values()]
      .flatMap(({ v4, v6 }) => [v4?.address, v6?.address])
      .filter((address) => address !== undefined)
  }
}
