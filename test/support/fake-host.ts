import type { Host } from '../../kubespan/host/host.ts'
import type { Tool } from '../../kubespan/host/runner.ts'
import { ToolError } from '../../kubespan/host/tool-error.ts'
import type { Address } from '../../shared/net/address.ts'
import { FakeNetwork } from './host/fake-network.ts'
import { FakeNft } from './host/fake-nft.ts'
import { FakeWireGuard } from './host/fake-wireguard.ts'
import { ManualClock } from './manual-clock.ts'
import { settingsIn } from './settings-in.ts'

/** Calls of these kinds only look. */
const READS = /^(ip (-\S+ )*\S+ (show|get)\b|nft (-\S+ )+(list|get) |wg show )/

/** A batch of questions to `ip`. */
export const isLook = (args: readonly string[], input: string | undefined): boolean =>
  args.includes('-batch') && linesOf(input).every((line) => /^\S+ show\b/.test(line))

const linesOf = (input = ''): string[] => input.split('\n').filter((line) => line !== '')

/**
 * A host in memory: it keeps state and refuses what the real tools refuse, so tests ask what is true and not what was
 * called. test/integration runs the same cases against the real tools, so that it cannot drift from them.
 */
export class FakeHost implements Host {
  readonly clock = new ManualClock()
  readonly network = new FakeNetwork()
  readonly nft = new FakeNft()
  readonly wireguard = new FakeWireGuard()
  readonly sockets = new Set<string>()
  /** What writers were called with, in order; their input is not kept, but what a batch of `ip` holds is. */
  readonly writes: string[] = []
  /** Settings that this process may not change. */
  readonly readOnlySettings = new Set<string>()
  readonly limitedLogs: string[] = []
  /** What monitors say, by tool. */
  readonly monitors = new Map<Tool, AsyncIterable<string>>()
  /** Called after everything that changed something. */
  onWrite: () => void = () => undefined
  hasWireGuardGo = true
  /** Called before every tool; may throw what the tool would. */
  onRun: (tool: Tool, args: readonly string[], input: string | undefined) => void = () => undefined

  constructor() {
    this.network.onLinkGone = (name) => {
      this.wireguard.devices.delete(name)
      this.sockets.delete(name)
    }
  }

  async run(tool: Tool, args: readonly string[], input?: string): Promise<string> {
    this.onRun(tool, args, input)
    const answer = this.#answer(tool, args, input)
    const call = `${tool} ${args.join(' ')}`
    if (!READS.test(call) && !isLook(args, input)) {
      const [family] = args
      if (args.includes('-batch'))
        this.writes.push(...linesOf(input).map((line) => `${tool} ${family} ${line}`))
      else this.writes.push(call)
      this.onWrite()
    }
    return answer
  }

  #answer(tool: Tool, args: readonly string[], input: string | undefined): string {
    if (tool === 'nft') return this.nft.nft(args, input)
    if (tool === 'wg') {
      // A socket that does not answer is removed by whoever finds out.
      if (!this.wireguard.devices.has(args[1] ?? '')) this.sockets.delete(args[1] ?? '')
      return this.wireguard.wg(args, input)
    }
    const answer = this.network.ip(args, input)
    const [name] = args.slice(3)
    if (args[1] === 'add' && args.at(-1) === 'wireguard' && name !== undefined) this.wireguard.addDevice(name)
    return answer
  }

  runOften(tool: Tool, args: readonly string[]): Promise<string> {
    return this.run(tool, args)
  }

  /** Processes that a test says are ours. */
  readonly started = new Set<number>()

  hasStarted(pid: number): boolean {
    return this.started.has(pid)
  }

  async *stream(tool: Tool, _args: readonly string[], signal: AbortSignal): AsyncIterable<string> {
    for await (const line of this.monitors.get(tool) ?? []) {
      if (signal.aborted) return
      yield line
    }
  }

  async spawnDetached(tool: Tool, args: readonly string[]): Promise<void> {
    this.writes.push(`${tool} ${args.join(' ')}`)
    if (!this.hasWireGuardGo) throw new ToolError('missing', { tool, args }, {})
    const name = args.at(-1) ?? ''
    this.network.addLink(name, 'tun')
    this.wireguard.addDevice(name)
    this.sockets.add(name)
    this.onWrite()
  }

  async readSetting(path: string): Promise<string | undefined> {
    return this.network.settings.get(path)
  }

  async listSettings(directory: string): Promise<readonly string[]> {
    return settingsIn(this.network.settings.keys(), directory)
  }

  async writeSetting(path: string, value: string): Promise<boolean> {
    if (this.readOnlySettings.has(path)) return false
    this.network.settings.set(path, value)
    return true
  }

  /** In the form of /proc/net/tcp. */
  tcpListing = ''

  async tcpSockets(): Promise<string> {
    return this.tcpListing
  }

  async hasSocket(linkName: string): Promise<boolean> {
    return this.sockets.has(linkName)
  }

  async isSocketAnswered(linkName: string): Promise<boolean> {
    return this.sockets.has(linkName) && this.wireguard.devices.has(linkName)
  }

  async removeSocket(linkName: string): Promise<void> {
    this.sockets.delete(linkName)
  }

  async limitLog(logName: string): Promise<void> {
    this.limitedLogs.push(logName)
  }

  /** Of a wireguard-go that fails. */
  logLine: string | undefined

  async lastLogLine(): Promise<string | undefined> {
    return this.logLine
  }

  /** What becomes of a packet that this host sends to this address. */
  fate(address: Address): 'tunnel' | 'dropped' | 'clear' {
    const out = this.network.route(address, this.nft.markOf(address))
    if (out === 'dropped') return 'dropped'
    if (out === 'main' || !this.wireguard.devices.has(out.dev))
      return this.nft.guards(address) ? 'dropped' : 'clear'
    return this.wireguard.hasOwner(out.dev, address) ? 'tunnel' : 'dropped'
  }
}
