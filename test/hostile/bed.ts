import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { FAST, PATIENCE_MS } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { LabDiscovery } from '../lab/discovery.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh, type MeshOptions } from '../lab/mesh.ts'
import { Pinger } from '../lab/ping.ts'
import type { LabProcess } from '../lab/process.ts'
import { publicHost, topology } from '../lab/topology.ts'
import type { Leak } from '../lab/wan-watch.ts'
import { HOSTILE_PORT, HostileService } from './hostile-service.ts'

/** What the stories of hostile parties have in common: a mesh over a service that does as it is told, under traffic. */

/** A time after which nobody is kept any more for a grace time; minutes by default. */
export const GRACE = { graceAfterLoss: '1s', graceAfterDeletion: '1s' }
export const AFTER_GRACE_MS = 3_000

const MUTE_PORT = HOSTILE_PORT + 1

export interface BedOptions extends Pick<MeshOptions, 'documents' | 'config' | 'discoveryFlags'> {
  readonly names?: readonly string[]
  readonly timing?: Readonly<Record<string, string>>
  /** Which hosts also have an honest service; none by default. */
  readonly hasHonest?: (host: LabHost) => boolean
  /** A service more for all hosts, which never answers a watch; false by default. */
  readonly hasMute?: boolean
  /** Without the hostile one, the honest service alone; false by default. */
  readonly isHonest?: boolean
  /** Hosts whose daemon is not started with the others. */
  readonly later?: readonly string[]
}

/** Nodes that are up with each other, on the wan with IPv4 and IPv6. */
export class Bed implements AsyncDisposable {
  readonly lab: Lab
  readonly mesh: Mesh
  /** Listens in any case; nobody knows it where all is honest. */
  readonly service: HostileService
  readonly #owned: AsyncDisposableStack

  private constructor(lab: Lab, mesh: Mesh, service: HostileService, owned: AsyncDisposableStack) {
    this.lab = lab
    this.mesh = mesh
    this.service = service
    this.#owned = owned
  }

  static async make(prefix: string, options: BedOptions = {}): Promise<Bed> {
    const { names = ['a', 'b', 'c'], timing, hasHonest = () => false, isHonest = false } = options
    const { later = [], hasMute = false, ...rest } = options
    await using owned = new AsyncDisposableStack()
    const hosts = names.map((name) => publicHost(name))
    const lab = owned.use(await Lab.create(topology({ hosts }), { prefix: `hostile${prefix}` }))
    const honest = owned.use(new LabDiscovery(lab.internet, { flags: options.discoveryFlags ?? [] }))
    const service = owned.use(await HostileService.start(lab.internet))
    if (hasMute) {
      const mute = owned.use(await HostileService.start(lab.internet, MUTE_PORT))
      await mute.behave({ watch: 'never' })
    }
    const urlOf = (port: number): string => `http://${INTERNET_V4}:${port}`
    const mesh = owned.use(
      new Mesh(lab, {
        ...rest,
        timing: { ...FAST, ...GRACE, ...timing },
        services: (host) => [
          ...(isHonest ? [] : [urlOf(HOSTILE_PORT)]),
          ...(isHonest || hasHonest(host) ? [urlOf(honest.port)] : []),
          ...(hasMute ? [urlOf(MUTE_PORT)] : []),
        ],
      }),
    )
    if (isHonest || lab.hosts.some(hasHonest)) await honest.start()
    for (const host of lab.hosts) if (!later.includes(host.name)) mesh.startDaemon(host)
    await mesh.full(PATIENCE_MS)
    return new Bed(lab, mesh, service, owned.move())
  }

  host(name: string): LabHost {
    return this.lab.host(name)
  }

  async nodeId(host: LabHost): Promise<string> {
    const { identity } = await this.mesh.until(host, (view) => view.identity !== undefined, PATIENCE_MS)
    return identity?.nodeId ?? ''
  }

  nodeIds(): Promise<readonly string[]> {
    return Promise.all(this.mesh.hosts.map((host) => this.nodeId(host)))
  }

  async publicKey(host: LabHost): Promise<string> {
    return (await this.mesh.control(host).view()).identity?.publicKey ?? ''
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned[Symbol.asyncDispose]()
  }
}

async function answeredPing(from: LabHost, address: string): Promise<Pinger> {
  const pinger = new Pinger(from, address, 0.1)
  await pinger.nextAnswer(FIRST_ANSWER_MS)
  return pinger
}
const FIRST_ANSWER_MS = 15_000
/** Half a second: answers take that long on a machine that is busy with other tests. */
const PENDING_MAX = 5

/** Pings at 10/s between hosts, to the addresses that they have without the mesh: out of it these would be in clear. */
export class Traffic implements AsyncDisposable {
  readonly #lab: Lab
  readonly #before: readonly Leak[]
  readonly #pingers: readonly { readonly way: string; readonly pinger: Pinger }[]

  private constructor(
    lab: Lab,
    before: readonly Leak[],
    pingers: readonly { readonly way: string; readonly pinger: Pinger }[],
  ) {
    this.#lab = lab
    this.#before = before
    this.#pingers = pingers
  }

  /** From each to the next one, by both families. */
  static async between(lab: Lab, ...hosts: readonly LabHost[]): Promise<Traffic> {
    const ways = hosts.flatMap((from, place) => {
      const to = hosts[(place + 1) % hosts.length]
      return [to?.v4, to?.v6].flatMap((address) => (address === undefined ? [] : [{ from, to, address }]))
    })
    return new Traffic(
      lab,
      await lab.leaks(),
      await Promise.all(
        ways.map(async ({ from, to, address }) => ({
          way: `${from.name} to ${to?.name} at ${address}`,
          pinger: await answeredPing(from, address),
        })),
      ),
    )
  }

  /** Ends it, and asserts that no ping was lost and nothing was sent in clear since it began. */
  async assertUnharmed(): Promise<void> {
    const lost = await Promise.all(
      this.#pingers.map(async ({ way, pinger }) => {
        const { sent, lost, pending } = await pinger.stop()
        const all = lost + (pending > PENDING_MAX ? pending : 0)
        return all === 0 ? [] : [`${way}: ${all} of ${sent} pings lost`]
      }),
    )
    assertNone([...lost.flat(), ...(await inClear(this.#lab, this.#before))])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pingers.map(({ pinger }) => pinger[Symbol.asyncDispose]()))
  }
}

/** What was sent to hosts in clear since then, a line for each way; who asks a name server may. Counted in the kernel, which misses nothing. */
export async function inClear(lab: Lab, before: readonly Leak[] = []): Promise<readonly string[]> {
  const owned = lab.hosts.flatMap(({ addresses }) => addresses)
  return (await lab.leaks()).flatMap(({ from, to, protocol, packets }) => {
    if (!owned.includes(to)) return []
    const known = before.find((one) => one.from === from && one.to === to && one.protocol === protocol)
    const fresh = packets - (known?.packets ?? 0)
    return fresh === 0 ? [] : [`${from} to ${to}: ${fresh} packets of ${protocol} in clear`]
  })
}

/** Fails with the lines, if there are any. */
export const assertNone = (lines: readonly string[]): void => assert.ok(lines.length === 0, lines.join('\n'))

/** What a process has used up so far, and holds now. */
export interface Load {
  readonly atMilliseconds: number
  readonly cpuMilliseconds: number
  readonly rssMegabytes: number
  /** The most it ever held. */
  readonly rssPeakMegabytes: number
  readonly logBytes: number
}

/** Linux counts in hundredths of a second. */
const TICK_MS = 10

export function loadOf({ pid, logPath }: LabProcess): Load {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name of the program may hold anything, up to the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return {
    atMilliseconds: performance.now(),
    cpuMilliseconds: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssMegabytes: megabytes('VmRSS'),
    rssPeakMegabytes: megabytes('VmHWM'),
    logBytes: statSync(logPath).size,
  }
}

/** The share of a core between two looks, in percent. */
export const cpuPercent = (before: Load, after: Load): number =>
  (100 * (after.cpuMilliseconds - before.cpuMilliseconds)) / (after.atMilliseconds - before.atMilliseconds)
