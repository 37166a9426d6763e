import { type Attachment, lanAttachment, natAttachment, natIndex, wanAttachment } from './attachment.ts'
import type { PortMapping } from './nat-rules.ts'
import { defaultMappings, WIREGUARD_PORT } from './plan.ts'
import { type HostSpec, type NatSpec, type Topology, WAN } from './topology.ts'

/** Addresses given while the lab runs start here, above those of the plan. */
const FIRST_LATER_MEMBER = 100

/** Hands out addresses and outside ports that nobody in the lab has had yet. */
export class AddressBook {
  readonly #topology: Topology
  readonly #mappings: Map<string, readonly PortMapping[]>
  #nextOnWan: number
  #nextLan: number
  #nextMember = FIRST_LATER_MEMBER

  constructor(topology: Topology) {
    this.#topology = topology
    this.#mappings = new Map(topology.nats.map((nat) => [nat.name, defaultMappings(topology, nat)]))
    this.#nextOnWan = topology.hosts.length + topology.nats.length + 1
    this.#nextLan = topology.lans.length + 1
  }

  nat(name: string): NatSpec {
    const nat = this.#topology.nats.find((candidate) => candidate.name === name)
    if (nat === undefined) throw new RangeError(`no NAT is called ${name}`)
    return nat
  }

  natIndex(name: string): number {
    return natIndex(this.#topology, this.nat(name))
  }

  /** An uplink on another network than before: a cable of its own. */
  newUplink(network: string, { families }: HostSpec): Attachment {
    if (network === WAN) return wanAttachment(this.#nextOnWan++, families)
    return natAttachment(this.nat(network), this.natIndex(network), this.#nextMember++, families)
  }

  /** Other addresses on the cable and network that the host has. */
  newAddresses(network: string, { port }: Attachment, { families }: HostSpec): Attachment {
    const member = this.#nextMember++
    return network === WAN
      ? wanAttachment(Number(port.device.slice(1)), families, member)
      : { ...natAttachment(this.nat(network), this.natIndex(network), member, families), port }
  }

  /** Another IPv4 address of a NAT on the wan. */
  newOutsideAddress(nat: string): Attachment {
    return wanAttachment(this.natIndex(nat), [4], this.#nextMember++)
  }

  newLanIndex(): number {
    return this.#nextLan++
  }

  lanMember(name: string, index: number, place: number, device: string): Attachment {
    return lanAttachment(name, device, index, place + 2)
  }

  /** The port that the address's WireGuard port is seen as outside its NAT, as long as the NAT keeps ports. */
  outsidePort(nat: string, address: string): number {
    const mapping = this.#mappings.get(nat)?.find((candidate) => candidate.address === address)
    return mapping?.outsidePort ?? WIREGUARD_PORT
  }

  /** Gives the address an outside port of the NAT that it did not have before. Returns all mappings there are now. */
  mapPort(nat: string, address: string): readonly PortMapping[] {
    const others = (this.#mappings.get(nat) ?? []).filter((mapping) => mapping.address !== address)
    const taken = (this.#mappings.get(nat) ?? []).map(({ outsidePort }) => outsidePort)
    const outsidePort = Math.max(WIREGUARD_PORT, ...taken) + 1
    const mappings = [...others, { address, insidePort: WIREGUARD_PORT, outsidePort }]
    this.#mappings.set(nat, mappings)
    return mappings
  }
}
