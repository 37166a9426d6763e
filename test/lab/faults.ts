import type { Port } from './attachment.ts'
import type { Box, LabHost } from './box.ts'
import { startDelayLine } from './delay-line.ts'
import type { Lab } from './lab.ts'
import { type Family, WAN } from './topology.ts'

/** Something that is broken; healed by disposing of it. Faults do not know of each other and may overlap. */
export type Fault = AsyncDisposable

export interface BlockOptions {
  /** Both families by default. */
  readonly family?: Family
  /** UDP by default: what a firewall in the way does to tunnels. */
  readonly protocol?: 'udp' | 'all'
  /** Only packets from the first host to the second are dropped. */
  readonly oneWay?: boolean
}

/** The wan silently drops what two hosts send each other. Other ways between them (a LAN, the other family) stay. */
export function block(lab: Lab, a: LabHost, b: LabHost, options: BlockOptions = {}): Promise<Fault> {
  const { family, protocol = 'udp', oneWay = false } = options
  const match = [
    ...(family === undefined ? [] : [`meta nfproto ipv${family}`]),
    ...(protocol === 'udp' ? ['meta l4proto udp'] : []),
  ].join(' ')
  const [portA, portB] = [wanPort(lab, a), wanPort(lab, b)]
  const drop = (from: string, to: string): string => `iifname ${from} oifname ${to} ${match} drop`
  return addRules(lab.wan, (table) => [
    `table inet ${table} {`,
    '  chain through {',
    '    type filter hook forward priority filter',
    `    ${drop(portA, portB)}`,
    ...(oneWay ? [] : [`    ${drop(portB, portA)}`]),
    '  }',
    '}',
  ])
}

/** Drops the given share of the host's packets at random, each way. `lan` names the LAN instead of the uplink. */
export const lose = (lab: Lab, host: LabHost, percent: number, lan?: string): Promise<Fault> =>
  atPort(lab, portOf(host, lan), `numgen random mod 1000 < ${Math.round(percent * 10)} drop`)

/** Nothing of the host gets through any more, and nobody is told. */
export const cut = (lab: Lab, host: LabHost, lan?: string): Promise<Fault> =>
  atPort(lab, portOf(host, lan), 'drop')

/** A path that silently swallows what is larger (IP packet, bytes): path MTU discovery does not work through it. */
export const blackHoleAbove = (lab: Lab, host: LabHost, bytes: number): Promise<Fault> =>
  atPort(lab, portOf(host), `meta length > ${bytes + ETHERNET_HEADER_BYTES} drop`)

/** Both ends of the uplink take only so much; the router says so to senders, as on a DSL line. */
export async function shrinkMtu(lab: Lab, host: LabHost, bytes: number): Promise<Fault> {
  const { device, port } = host.uplink
  const router = lab.box(port.box)
  const set = async (mtu: number): Promise<void> => {
    await host.exec('ip', ['link', 'set', device, 'mtu', `${mtu}`])
    await router.exec('ip', ['link', 'set', port.device, 'mtu', `${mtu}`])
  }
  await set(bytes)
  return { [Symbol.asyncDispose]: () => set(ETHERNET_MTU_BYTES) }
}

/**
 * Everything that the host (or the NAT it is behind) sends reaches the others later by so much: the round trip grows
 * by as much. The wan router hands those packets to a process that holds them; kernels without netem can do it too.
 */
export const delay = (lab: Lab, host: LabHost, milliseconds: number): Promise<Fault> =>
  startDelayLine(lab.wan, wanPort(lab, host), milliseconds)

/** The interface of the wan router behind which the host is, directly or with its NAT. */
export const wanPort = (lab: Lab, host: LabHost): string =>
  host.network === WAN ? host.uplink.port.device : `w${lab.addresses.natIndex(host.network)}`

const ETHERNET_HEADER_BYTES = 14
const ETHERNET_MTU_BYTES = 1500
let faultsSoFar = 0

function portOf(host: LabHost, lan?: string): Port {
  const attachment = lan === undefined ? host.uplink : host.lans.get(lan)
  if (attachment === undefined) throw new RangeError(`${host.name} is not on ${lan}`)
  return attachment.port
}

/** Both directions at the far end of a cable. Who is there stays known (ARP, neighbour discovery): a silent failure, not a pulled plug. */
function atPort(lab: Lab, { box, device }: Port, rule: string): Promise<Fault> {
  const chain = (hook: 'ingress' | 'egress'): string[] => [
    `  chain ${hook}_ {`,
    `    type filter hook ${hook} device "${device}" priority filter`,
    `    meta protocol ip ${rule}`,
    '    icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept',
    `    meta protocol ip6 ${rule}`,
    '  }',
  ]
  return addRules(lab.box(box), (table) => [
    `table netdev ${table} {`,
    ...chain('ingress'),
    ...chain('egress'),
    '}',
  ])
}

/** Each fault is an nft table of its own, so that healing one is removing one. */
async function addRules(box: Box, rules: (table: string) => readonly string[]): Promise<Fault> {
  faultsSoFar += 1
  const table = `fault_${faultsSoFar}`
  const script = rules(table)
  const family = script[0]?.split(' ')[1] ?? 'inet'
  await box.exec('nft', ['-f', '-'], { input: `${script.join('\n')}\n` })
  return {
    async [Symbol.asyncDispose]() {
      await box.exec('nft', ['delete', 'table', family, table])
    },
  }
}
