import type { LabHost } from './box.ts'
import { bold, dim, green, red } from './colour.ts'
import type { Lab } from './lab.ts'
import type { Explain, Matrix } from './matrix.ts'
import { WAN } from './topology.ts'
import { type Leak, type WanCounts, wireguardCount } from './wan-watch.ts'

/** What went where: the counters of WireGuard, of the wan, and who was seen in clear. */
export interface Traffic {
  /** Sent by all WireGuard links together. */
  readonly sentBytes: number
  readonly wan: WanCounts
  readonly leaks: readonly Leak[]
}

export async function observeTraffic(lab: Lab): Promise<Traffic> {
  const transfers = await Promise.all(
    lab.hosts.map((host) => host.exec('wg', ['show', 'kubespan', 'transfer'])),
  )
  const sentBytes = transfers
    .flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== ''))
    .map((line) => Number(line.split('\t')[2]))
    .reduce((sum, bytes) => sum + bytes, 0)
  return { sentBytes, wan: await lab.counts(), leaks: await lab.leaks() }
}

/** What each host is and where it stands, one line each. */
export function renderHosts(lab: Lab): string {
  const lines = lab.hosts.map(
    (host) => `  ${host.name.padEnd(8)} ${host.addresses.join(' ').padEnd(40)} ${dim(place(lab, host))}`,
  )
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

function place(lab: Lab, { network, lans }: LabHost): string {
  const where = network === WAN ? 'public' : `behind a ${lab.addresses.nat(network).kind} NAT`
  return [where, ...[...lans.keys()].map((name) => `on the LAN "${name}"`)].join(', ')
}

/** The account of a run, and whether it proves that everything between hosts went through WireGuard and nothing beside it. */
export function renderProof(
  traffic: Traffic,
  matrices: readonly Matrix[],
  explain: Explain,
): { text: string; holds: boolean } {
  const echoes = matrices.flatMap(({ names, cells }) =>
    cells.flatMap((row, from) =>
      row.filter((_, to) => explain(names[from] ?? '', names[to] ?? '') === undefined).flat(),
    ),
  )
  const answered = echoes.filter(({ roundTripMilliseconds }) => roundTripMilliseconds !== undefined).length
  const { wan, leaks, sentBytes } = traffic
  // An echo and its answer are two packets in the tunnel, 148 bytes each at 84 bytes inside.
  const carried = sentBytes >= answered * 2 * ECHO_IN_TUNNEL_BYTES
  const clean = wan.other.packets === 0
  const mark = (isGood: boolean): string => (isGood ? green('ok') : red('FAILED'))
  const row = (text: string, value: string, verdict = ''): string =>
    `  ${text.padEnd(44)} ${value} ${verdict}`.trimEnd()
  const { initiation, response, data } = wan
  const lines = [
    bold('proof that it went through WireGuard'),
    row('echo requests answered', `${answered} of ${echoes.length}`),
    row('sent meanwhile by WireGuard, all hosts', `${sentBytes} bytes`, mark(carried)),
    row('on the wan between hosts: WireGuard', `${wireguardCount(wan).packets} packets`),
    dim(row('', `${initiation.packets} initiations, ${response.packets} responses, ${data.packets} data`)),
    row('on the wan between hosts: anything in clear', `${wan.other.packets} packets`, mark(clean)),
    ...leaks.map(({ from, to, protocol, packets }) =>
      red(row('', `${from} to ${to}, ${protocol}: ${packets}`)),
    ),
    ...(wan.icmp_error.packets > 0
      ? [row('on the wan: ICMP errors', `${wan.icmp_error.packets} packets`)]
      : []),
    row('on the wan to and from discovery (TCP)', `${wan.discovery.packets} packets`),
  ]
  return { text: `${lines.join('\n')}\n`, holds: carried && clean && answered > 0 }
}

/** 84 bytes IPv4 or 104 bytes IPv6, padded to 16, and 32 of WireGuard: the smaller one. */
const ECHO_IN_TUNNEL_BYTES = 96 + 32
