import type { DoctorWorld, FileStat, HelloSeen } from '../../kubespan/doctor/world.ts'
import type { Host } from '../../kubespan/host/host.ts'
import type { Program } from '../../kubespan/host/installed.ts'
import { ToolError } from '../../kubespan/host/tool-error.ts'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { type Address, parseAddress } from '../../shared/net/address.ts'
import { ManualClock } from './manual-clock.ts'
import { settingsIn } from './settings-in.ts'

const UNUSED = async (): Promise<never> => {
  throw new Error('the doctor only looks')
}

/** A machine whose tools print what real ones printed, and whose files are a map. */
export class FakeDoctorWorld implements DoctorWorld {
  readonly clock = new ManualClock()
  /** By the whole command line. What is not in here fails; an empty answer is one. */
  readonly tools = new Map<string, string>()
  readonly files = new Map<string, string>()
  readonly stats = new Map<string, FileStat>()
  /** Paths that only root may look at. */
  readonly closed = new Set<string>()
  readonly settings = new Map<string, string>([['ipv6/conf/all/disable_ipv6', '0']])
  readonly names = new Map<string, readonly string[]>()
  /** Addresses that answer, each after so many milliseconds. */
  readonly answering = new Map<string, number>()
  /** The Nodes by name, or why they cannot be listed. */
  nodes: readonly string[] | Error = []
  helloAnswer: Address | Error | undefined = parseAddress('192.0.2.7')
  installed = new Set<Program>(['ip', 'nft', 'wg'])
  capabilities = 1n << 12n
  view: DaemonView | Error | undefined
  readonly host: Host

  constructor() {
    this.host = {
      clock: this.clock,
      run: async (tool, args) => {
        const answer = this.tools.get([tool, ...args].join(' '))
        if (answer !== undefined && !answer.startsWith('fails: ')) return answer
        const stderr = answer?.slice('fails: '.length) ?? 'not known here'
        throw new ToolError('failed', { tool, args }, { exitCode: 1, stderr })
      },
      readSetting: async (path) => this.settings.get(path),
      listSettings: async (directory) => settingsIn(this.settings.keys(), directory),
      writeSetting: UNUSED,
      runOften: UNUSED,
      hasStarted: () => false,
      stream: () => {
        throw new Error('the doctor only looks')
      },
      spawnDetached: UNUSED,
      hasSocket: UNUSED,
      isSocketAnswered: UNUSED,
      removeSocket: UNUSED,
      tcpSockets: async () => '',
      limitLog: UNUSED,
      lastLogLine: UNUSED,
    }
  }

  #open(path: string): void {
    if (this.closed.has(path)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
  }
  async read(path: string): Promise<string | undefined> {
    this.#open(path)
    return this.files.get(path)
  }
  async list(path: string): Promise<readonly string[]> {
    const below = [...this.files.keys()].filter((name) => name.startsWith(`${path}/`))
    return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))]
  }
  async stat(path: string): Promise<FileStat | undefined> {
    this.#open(path)
    return this.stats.get(path)
  }
  async freeBytes(): Promise<number | undefined> {
    return 1 << 30
  }
  lookup = async (name: string): Promise<readonly Address[]> => {
    const found = this.names.get(name)
    if (found === undefined) throw new Error(`ENOTFOUND ${name}`)
    return found.flatMap((text) => parseAddress(text) ?? [])
  }
  async dial(address: Address): Promise<void> {
    const delay = this.answering.get(address)
    if (delay === undefined) throw new Error('ECONNREFUSED')
  }
  async hello(): Promise<HelloSeen> {
    if (this.helloAnswer instanceof Error) throw this.helloAnswer
    return { clientAddress: this.helloAnswer, proof: { kind: 'accepted' } }
  }
  kubernetes = () => ({
    via: async () => new URL('https://192.0.2.6:6443'),
    listNodes: async () => {
      if (this.nodes instanceof Error) throw this.nodes
      return { items: this.nodes.map((name) => ({ metadata: { name } })), resourceVersion: '1' }
    },
  })
  async programs(): Promise<ReadonlySet<Program>> {
    return this.installed
  }
  async privileges() {
    return { uid: 0, effective: this.capabilities, ambient: 0n, bounding: this.capabilities }
  }
  async daemon(): Promise<DaemonView | undefined> {
    if (this.view instanceof Error) throw this.view
    return this.view
  }
}
