import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { addLanV6, echoesInClear, knock, LAN_V6, watchEchoes } from '../e2e/in-clear.ts'
import { afterPeriod, eventually, FAST, PATIENCE_MS, ulaOf } from '../e2e/story.ts'
import { podAttachment, podPrefixes } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { Pinger, pingAll } from '../lab/ping.ts'
import { lan, publicHost, topology } from '../lab/topology.ts'
import type { Leak } from '../lab/wan-watch.ts'
import { patient } from '../support/patience.ts'
import type { PageSettings } from './page.ts'

const PING_EVERY_SECONDS = 0.02
/** What an event of another program does to us is over, or noticed, by then. */
const SETTLES_MS = 2_000

/**
 * Three members of a mesh, two of them on one LAN as well, and one of these two is the host that other programs come to. Each has a
 * pod, and whatever arrives at the others unencrypted is counted there.
 */
export class Trial implements AsyncDisposable {
  readonly lab: Lab
  readonly mesh: Mesh
  /** Where the other programs are. */
  readonly host: LabHost
  readonly #others: readonly LabHost[]
  /** LAN, public, mesh and pod addresses of the others. */
  readonly #goals: string[] = []
  /** Those of the host itself. */
  readonly #own: string[] = []

  private constructor(lab: Lab) {
    this.lab = lab
    this.mesh = new Mesh(lab, { timing: FAST })
    this.host = lab.host('a')
    this.#others = [lab.host('b'), lab.host('c')]
  }

  static async start(prefix: string): Promise<Trial> {
    const hosts = ['a', 'b', 'c'].map((name) => publicHost(name, { pod: true }))
    const lab = await Lab.create(topology({ hosts, lans: [lan('home', 'a', 'b')] }), { prefix })
    const trial = new Trial(lab)
    try {
      await trial.#begin()
      return trial
    } catch (error) {
      await trial[Symbol.asyncDispose]()
      throw error
    }
  }

  async #begin(): Promise<void> {
    await addLanV6(this.host, this.lab.host('b'))
    for (const other of this.#others) await watchEchoes(other)
    await this.mesh.startDiscovery()
    for (const host of this.lab.hosts) this.mesh.startDaemon(host)
    await this.mesh.full(PATIENCE_MS)
    for (const other of this.#others)
      this.#goals.push(await ulaOf(this.mesh, other), ...other.addresses, ...podOf(other))
    this.#goals.push(LAN_V6[1])
    this.#own.push(await ulaOf(this.mesh, this.host), ...this.host.addresses, ...podOf(this.host), LAN_V6[0])
    await this.reaches()
  }

  /** For the scripts of other programs: addresses of the host, of its routers, and of the member on its LAN. */
  get variables(): string {
    const { v4, v6 } = this.host.uplink
    return [
      `own4=${v4?.address} gateway4=${v4?.gateway} own6=${v6?.address} gateway6=${v6?.gateway}`,
      `member4=${this.lab.host('b').v4}`,
      '',
    ].join('\n')
  }

  /** Shell on the host. */
  readonly sh = (script: string) => this.host.sh(`${this.variables}${script}`)

  /** Calls this port of the host from a member, at its public address and on the LAN. */
  async calls(port: number): Promise<void> {
    for (const address of this.host.addresses.filter((address) => address.includes('.')))
      await this.lab
        .host('b')
        .exec('timeout', ['5', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port} && echo >&3 && cat <&3`])
  }

  /** What does not answer, both ways and from pod to pod. */
  async silent(): Promise<readonly string[]> {
    const pods = this.#others.flatMap(podOf)
    const [a, b] = [this.host, this.lab.host('b')]
    const from = [
      [a, this.#goals],
      [b, this.#own],
      ...(a.pod === undefined ? [] : [[a.pod, pods] as const]),
      ...(b.pod === undefined ? [] : [[b.pod, podOf(a)] as const]),
    ] as const
    const echoes = await Promise.all(from.map(([box, goals]) => pingAll(box, goals, { attempts: 2 })))
    return echoes.flatMap((of, place) =>
      of
        .filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined)
        .map(({ address }) => `${from[place]?.[0].name} → ${address}`),
    )
  }

  async reaches(timeoutMilliseconds = PATIENCE_MS): Promise<void> {
    await eventually(
      'all answer',
      () => this.silent(),
      (silent) => silent.length === 0,
      timeoutMilliseconds,
    )
  }

  /** Sends to all, from the host and from its pod, and does not mind the answers. */
  async knock(): Promise<void> {
    const { pod } = this.host
    await Promise.all([
      knock(this.host, this.#goals),
      ...(pod === undefined ? [] : [knock(pod, this.#others.flatMap(podOf))]),
    ])
  }

  async inClear(): Promise<number> {
    const counts = await Promise.all(this.#others.map(echoesInClear))
    return counts.reduce((sum, count) => sum + count)
  }

  async nothingInClear(what: string, during: () => Promise<unknown>): Promise<void> {
    const before = await this.inClear()
    await during()
    assert.equal((await this.inClear()) - before, 0, what)
  }

  /** What the host and its pod have sent over the wan in clear. While its uplink is down, what others send to it there is not for a member. */
  async leaks(): Promise<readonly Leak[]> {
    const own = [...this.host.addresses, ...podOf(this.host)]
    return (await this.lab.leaks()).filter(({ from }) => own.includes(from))
  }

  /** How many of fifty pings a second were lost meanwhile, to one address of each kind. */
  async losses(during: () => Promise<unknown>): Promise<string> {
    const b = this.lab.host('b')
    const goals = [LAN_V6[1], b.v4 ?? '', ...podOf(b)]
    const pingers = goals.map((goal) => new Pinger(this.host, goal, PING_EVERY_SECONDS))
    await during()
    await setTimeout(patient(SETTLES_MS))
    const runs = await Promise.all(pingers.map((pinger) => pinger.stop()))
    return runs.map((run, place) => `${run.sent - run.received} of ${run.sent} to ${goals[place]}`).join(', ')
  }

  /** Gives the daemon of the host these fields over its NodeConfig, and the pods that it has anyway. */
  async set(settings: PageSettings['nodeConfig']): Promise<void> {
    const own = podPrefixes(this.host.index)
    const documents =
      settings === undefined
        ? {}
        : { NodeConfig: { ...settings, podCIDRs: [...own, ...(settings.podCIDRs ?? [])] } }
    this.mesh.writeConfig(this.host, documents)
    await this.mesh.kubespan(this.host, ['reload'])
    await afterPeriod(this.mesh, this.host)
  }

  async restart(settings: PageSettings['nodeConfig']): Promise<void> {
    await this.mesh.daemon(this.host).stop()
    await this.up(settings)
  }

  async down(): Promise<void> {
    await this.mesh.kubespan(this.host, ['down'])
    await this.mesh.daemon(this.host).ended
  }

  async up(settings: PageSettings['nodeConfig']): Promise<void> {
    this.mesh.startDaemon(this.host)
    await this.mesh.until(this.host, () => true, PATIENCE_MS)
    if (settings !== undefined) await this.set(settings)
    // Until both ends know of each other there is no mesh for a packet to be in.
    await this.mesh.full(PATIENCE_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mesh[Symbol.asyncDispose]()
    await this.lab[Symbol.asyncDispose]()
  }
}

const podOf = ({ pod, index }: LabHost): readonly string[] =>
  pod === undefined
    ? []
    : [4, 6].flatMap((family) => podAttachment('', index)[`v${family as 4 | 6}`]?.address ?? [])
