import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AddressBook } from './address-book.ts'
import type { Attachment } from './attachment.ts'
import { Box, LabHost } from './box.ts'
import { type BoxPlan, boxScript, cable, ipScript, otherEnd, ownEnd } from './box-script.ts'
import { abandonedLabs, guardLab, labDirectory, removeLab, unguardLab } from './cleanup.ts'
import { type LabPlan, planLab, podName } from './plan.ts'
import { ProcessGroup, run } from './process.ts'
import { INTERNET, type Topology, WAN } from './topology.ts'
import { type Leak, parseCounts, parseLeaks, type WanCounts } from './wan-watch.ts'

export interface LabOptions {
  /** Lower-case letters, digits, hyphens. Labs with the same prefix may run side by side; it names their leftovers. */
  readonly prefix: string
  /** TCP port on the internet server that counts as discovery. */
  readonly discoveryPort?: number
}

export const DISCOVERY_PORT = 3000
let labsOfThisProcess = 0

/**
 * A topology as Linux network namespaces. Nothing of it is visible in the machine's own namespace, so labs do not
 * meet even where their addresses are the same. Needs root. Disposing of it, the end of the process and fatal
 * signals all remove everything; what a SIGKILL leaves, the next `create` or `sweep` with that prefix removes.
 */
export class Lab implements AsyncDisposable {
  readonly id: string
  readonly topology: Topology
  readonly directory: string
  readonly hosts: readonly LabHost[]
  /** The router between everything. */
  readonly wan: Box
  /** A server with a public address: discovery runs here. */
  readonly internet: Box
  readonly addresses: AddressBook
  readonly #group = new ProcessGroup()
  readonly #boxes = new Map<string, Box>()
  readonly #namespace = (box: string): string => `${this.id}.${box}`

  /** Builds the lab, in about half a second for six hosts. Throws CommandError with what `ip` or `nft` said; then nothing is left. */
  static async create(topology: Topology, options: LabOptions): Promise<Lab> {
    if (!/^[a-z0-9-]+$/.test(options.prefix)) throw new RangeError(`${options.prefix}: not a lab prefix`)
    Lab.sweep(options.prefix)
    labsOfThisProcess += 1
    const plan = planLab(topology, options.discoveryPort ?? DISCOVERY_PORT)
    const lab = new Lab(`${options.prefix}.${process.pid}.${labsOfThisProcess}`, topology, plan)
    guardLab(lab.id, lab.#group)
    try {
      await lab.#build(plan)
    } catch (error) {
      await lab[Symbol.asyncDispose]()
      throw error
    }
    return lab
  }

  /** Removes what labs with this prefix left whose process is no more. Returns their ids. */
  static sweep(prefix: string): readonly string[] {
    const ids = abandonedLabs(prefix)
    ids.forEach(removeLab)
    return ids
  }

  private constructor(id: string, topology: Topology, plan: LabPlan) {
    this.id = id
    this.topology = topology
    this.directory = labDirectory(id)
    for (const { name } of plan.boxes) this.#boxes.set(name, this.#newBox(name))
    this.hosts = topology.hosts.map((spec, place) => {
      const pod = spec.pod ? this.box(podName(spec.name)) : undefined
      const uplink = plan.uplinks.get(spec.name)
      if (uplink === undefined) throw new Error(`${spec.name}: planned without an uplink`)
      const host = new LabHost(this.box(spec.name), spec, place + 1, uplink, pod)
      for (const [lan, members] of plan.lans) {
        const attachment = members.get(spec.name)
        if (attachment !== undefined) host.lans.set(lan, attachment)
      }
      this.#boxes.set(spec.name, host)
      return host
    })
    this.wan = this.box(WAN)
    this.internet = this.box(INTERNET)
    this.addresses = new AddressBook(topology)
  }

  box(name: string): Box {
    const box = this.#boxes.get(name)
    if (box === undefined) throw new RangeError(`no box is called ${name}`)
    return box
  }

  host(name: string): LabHost {
    const box = this.box(name)
    if (!(box instanceof LabHost)) throw new RangeError(`${name} is not a host`)
    return box
  }

  /** What has arrived at the wan since the lab was made, by kind. */
  async counts(): Promise<WanCounts> {
    return parseCounts(
      (await this.wan.exec('nft', ['-j', 'list', 'counters', 'table', 'inet', 'watch'])).stdout,
    )
  }

  /** Who has sent what in clear over the wan since the lab was made. */
  async leaks(): Promise<readonly Leak[]> {
    const sets = await Promise.all(
      ['leaks4', 'leaks6'].map((set) => this.wan.exec('nft', ['-j', 'list', 'set', 'inet', 'watch', set])),
    )
    return sets.flatMap(({ stdout }) => parseLeaks(stdout))
  }

  /** Makes another namespace while the lab runs. */
  async addBox(plan: BoxPlan): Promise<Box> {
    if (this.#boxes.has(plan.name)) throw new RangeError(`${plan.name}: used twice`)
    const box = this.#newBox(plan.name)
    this.#boxes.set(plan.name, box)
    box.makeDirectories()
    await ipBatch([`netns add ${box.namespace}`])
    await box.sh(boxScript(plan))
    return box
  }

  /** Lays a cable from the host to where the attachment says, and sets up both ends. */
  async plug(host: LabHost, attachment: Attachment): Promise<void> {
    await ipBatch([cable(this.#namespace, host.name, attachment)])
    await this.box(attachment.port.box).sh(ipScript(otherEnd(attachment)))
    await host.sh(ipScript(ownEnd(attachment)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    removeLab(this.id)
    unguardLab(this.id)
  }

  async #build(plan: LabPlan): Promise<void> {
    mkdirSync(this.directory, { mode: 0o700 })
    for (const box of this.#boxes.values()) box.makeDirectories()
    await ipBatch([
      ...plan.boxes.map(({ name }) => `netns add ${this.#namespace(name)}`),
      ...plan.cables.map(({ box, attachment }) => cable(this.#namespace, box, attachment)),
    ])
    await Promise.all(plan.boxes.map((box) => this.box(box.name).sh(boxScript(box))))
  }

  #newBox(name: string): Box {
    return new Box({
      name,
      namespace: this.#namespace(name),
      directory: join(this.directory, name),
      group: this.#group,
    })
  }
}

const ipBatch = (lines: readonly string[]) => run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
