import { LAN_BRIDGE } from './attachment.ts'
import type { LabHost } from './box.ts'
import { ipScript, ownEnd } from './box-script.ts'
import type { Lab } from './lab.ts'
import { portRules } from './nat-rules.ts'
import { WAN } from './topology.ts'

/** What happens to a host and its networks while a lab runs. */

export async function linkDown(host: LabHost, device = 'eth0'): Promise<void> {
  await host.exec('ip', ['link', 'set', device, 'down'])
}

/** Brings the link up again with the addresses and routes that it lost, as a network manager would. */
export async function linkUp(host: LabHost, device = 'eth0'): Promise<void> {
  const attachment = [host.uplink, ...host.lans.values()].find((candidate) => candidate.device === device)
  if (attachment === undefined) throw new RangeError(`${host.name} has no ${device}`)
  await host.sh(ipScript(ownEnd(attachment)))
}

/** The host gets new addresses on the network it is on, and loses the old ones. */
export async function changeAddress(lab: Lab, host: LabHost): Promise<void> {
  const next = lab.addresses.newAddresses(host.network, host.uplink, host.spec)
  await host.sh(`ip addr flush dev ${next.device} scope global\n${ipScript(ownEnd(next))}`)
  host.uplink = next
  if (host.network !== WAN) await rebind(lab, host)
}

/** Unplugs the host and plugs it in elsewhere: `wan` or a NAT. Its addresses are new. */
export async function move(lab: Lab, host: LabHost, network: string): Promise<void> {
  const uplink = lab.addresses.newUplink(network, host.spec)
  await host.exec('ip', ['link', 'delete', host.uplink.device])
  host.network = network
  host.uplink = uplink
  if (network !== WAN) await rebind(lab, host)
  await lab.plug(host, uplink)
}

/** The NAT forgets which outside port the host's WireGuard port had, and gives it another one. */
export async function rebind(lab: Lab, host: LabHost): Promise<void> {
  if (host.network === WAN || host.v4 === undefined) throw new RangeError(`${host.name} is not behind a NAT`)
  const mappings = lab.addresses.mapPort(host.network, host.v4)
  await lab.box(host.network).exec('nft', ['-f', '-'], { input: portRules(mappings) })
}

/** The NAT's provider gives it another public IPv4 address: every flow through it ends, and nobody behind it is told. */
export async function changePublicAddress(lab: Lab, nat: string): Promise<void> {
  const next = lab.addresses.newOutsideAddress(nat)
  await lab.box(nat).sh(`ip -4 addr flush dev ${next.device} scope global\n${ipScript(ownEnd(next))}`)
}

/** Makes a private LAN between hosts that had none. */
export async function addLan(lab: Lab, name: string, hosts: readonly LabHost[]): Promise<void> {
  await lab.addBox({
    name,
    forwards: false,
    rpFilter: 0,
    ipv4: [`link add ${LAN_BRIDGE} type bridge`, `link set ${LAN_BRIDGE} up`],
    ipv6: [],
    nft: '',
  })
  const index = lab.addresses.newLanIndex()
  for (const [place, host] of hosts.entries()) {
    const attachment = lab.addresses.lanMember(name, index, place, `eth${host.lans.size + 1}`)
    await lab.plug(host, attachment)
    host.lans.set(name, attachment)
  }
}
