import {
  type Attachment,
  hostIndex,
  INTERNET_V4,
  INTERNET_V6,
  LAN_BRIDGE,
  lanAttachment,
  NAT_BRIDGE,
  natAttachment,
  natIndex,
  natPrefixV6,
  podAttachment,
  wanAttachment,
} from './attachment.ts'
import { type BoxPlan, type IpLines, joinLines, otherEnd, ownEnd } from './box-script.ts'
import { natRules, portRules } from './nat-rules.ts'
import { type HostSpec, INTERNET, type NatSpec, type Topology, WAN } from './topology.ts'
import { watchRules } from './wan-watch.ts'

export const WIREGUARD_PORT = 51820

/** A cable between two boxes: `attachment` is the end in `box`. */
export interface CablePlan {
  readonly box: string
  readonly attachment: Attachment
}

export interface LabPlan {
  readonly boxes: readonly BoxPlan[]
  readonly cables: readonly CablePlan[]
  readonly uplinks: ReadonlyMap<string, Attachment>
  /** Per LAN, the attachment of each of its hosts. */
  readonly lans: ReadonlyMap<string, ReadonlyMap<string, Attachment>>
}

export const podName = (host: string): string => `${host}-pod`

/** From a topology to every box, cable, address and rule of it. Pure. */
export function planLab(topology: Topology, discoveryPort: number): LabPlan {
  const uplinks = new Map(topology.hosts.map((host) => [host.name, uplinkOf(topology, host)]))
  const lans = new Map(
    topology.lans.map(({ name, hosts }, index) => [
      name,
      new Map(
        hosts.map((host, place) => [
          host,
          lanAttachment(name, lanDevice(topology, name, host), index + 1, place + 2),
        ]),
      ),
    ]),
  )
  const natUplinks = topology.nats.map((nat) => ({
    box: nat.name,
    attachment: wanAttachment(natIndex(topology, nat), [4, 6]),
  }))
  const pods = topology.hosts.filter(({ pod }) => pod)
  const cables: CablePlan[] = [
    { box: INTERNET, attachment: INTERNET_ATTACHMENT },
    ...natUplinks,
    ...[...uplinks].map(([box, attachment]) => ({ box, attachment })),
    ...[...lans.values()].flatMap((members) =>
      [...members].map(([box, attachment]) => ({ box, attachment })),
    ),
    ...pods.map((host) => ({
      box: podName(host.name),
      attachment: podAttachment(host.name, hostIndex(topology, host)),
    })),
  ]
  return { uplinks, lans, cables, boxes: planBoxes(topology, cables, discoveryPort) }
}

const INTERNET_ATTACHMENT: Attachment = {
  device: 'eth0',
  port: { box: WAN, device: 'w0' },
  bridge: undefined,
  v4: { address: INTERNET_V4, bits: 24, gateway: '192.0.2.1' },
  v6: { address: INTERNET_V6, bits: 64, gateway: '2001:db8:ff00::1' },
}

/** `eth1` for the first LAN that a host is in, `eth2` for the next. */
const lanDevice = (topology: Topology, lan: string, host: string): string =>
  `eth${topology.lans.filter(({ hosts }) => hosts.includes(host)).findIndex(({ name }) => name === lan) + 1}`

function uplinkOf(topology: Topology, host: HostSpec): Attachment {
  const nat = topology.nats.find(({ name }) => name === host.network)
  if (nat === undefined) return wanAttachment(hostIndex(topology, host), host.families)
  const neighbours = topology.hosts.filter(({ network }) => network === nat.name)
  return natAttachment(nat, natIndex(topology, nat), neighbours.indexOf(host) + 2, host.families)
}

function planBoxes(topology: Topology, cables: readonly CablePlan[], discoveryPort: number): BoxPlan[] {
  const linesOf = (box: string, before: IpLines = NOTHING, after: IpLines = NOTHING): IpLines =>
    joinLines(
      before,
      ...cables.filter((cable) => cable.box === box).map(({ attachment }) => ownEnd(attachment)),
      ...cables
        .filter(({ attachment }) => attachment.port.box === box)
        .map(({ attachment }) => otherEnd(attachment)),
      after,
    )
  const plain = { forwards: false, rpFilter: 0, nft: '' } as const
  return [
    {
      ...plain,
      name: WAN,
      forwards: true,
      nft: watchRules(discoveryPort),
      ...linesOf(WAN, NOTHING, natRoutes(topology)),
    },
    { ...plain, name: INTERNET, ...linesOf(INTERNET) },
    ...topology.nats.map((nat) => ({
      ...plain,
      name: nat.name,
      forwards: true,
      nft: natRules(nat.kind) + portRules(defaultMappings(topology, nat)),
      ...linesOf(nat.name, natInside(topology, nat)),
    })),
    ...topology.lans.map(({ name }) => ({ ...plain, name, ...linesOf(name, bridge(LAN_BRIDGE)) })),
    ...topology.hosts.map(({ name, pod, rpFilter }) => ({
      ...plain,
      name,
      forwards: pod,
      rpFilter,
      ...linesOf(name),
    })),
    ...topology.hosts
      .filter(({ pod }) => pod)
      .map(({ name }) => ({ ...plain, name: podName(name), ...linesOf(podName(name)) })),
  ]
}

const NOTHING: IpLines = { ipv4: [], ipv6: [] }

const bridge = (device: string): IpLines => ({
  ipv4: [`link add ${device} type bridge`, `link set ${device} up`],
  ipv6: [],
})

/** The bridge that a NAT's hosts are on, with the gateway addresses. */
function natInside(topology: Topology, nat: NatSpec): IpLines {
  const { v4, v6 } = natAttachment(nat, natIndex(topology, nat), 2, [4, 6])
  return joinLines(bridge(NAT_BRIDGE), {
    ipv4: v4 === undefined ? [] : [`addr add ${v4.gateway}/${v4.bits} dev ${NAT_BRIDGE}`],
    ipv6: v6 === undefined ? [] : [`addr add ${v6.gateway}/${v6.bits} dev ${NAT_BRIDGE} nodad`],
  })
}

/** What the wan router must know: where the IPv6 networks behind NATs are. */
const natRoutes = (topology: Topology): IpLines => ({
  ipv4: [],
  ipv6: topology.nats
    .filter(({ v6 }) => v6)
    .map((nat) => natIndex(topology, nat))
    .map((index) => `route add ${natPrefixV6(index)} via ${wanAttachment(index, [6]).v6?.address}`),
})

/** The first host behind a NAT keeps its port outside, as with most home routers; the next ones get the next ports. */
export const defaultMappings = (topology: Topology, nat: NatSpec) =>
  topology.hosts
    .filter(({ network, families }) => network === nat.name && families.includes(4))
    .map((host, place) => ({
      address: uplinkOf(topology, host).v4?.address ?? '',
      insidePort: WIREGUARD_PORT,
      outsidePort: WIREGUARD_PORT + place,
    }))
