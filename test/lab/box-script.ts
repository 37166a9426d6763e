import type { Attachment, Placed } from './attachment.ts'

/** What one namespace is to hold, apart from its cables. */
export interface BoxPlan {
  readonly name: string
  readonly forwards: boolean
  readonly rpFilter: 0 | 1 | 2
  /** Lines for `ip -batch`, per family: iproute2 accepts no family inside a batch. */
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  readonly nft: string
}

/** Lines for `ip -batch` of the two families. */
export interface IpLines {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

/** A shell script that does to the namespace it runs in what `lines` say. */
export function ipScript({ ipv4, ipv6 }: IpLines): string {
  const batch = (family: 4 | 6, lines: readonly string[]): string =>
    lines.length === 0 ? '' : `ip -${family} -batch - <<'END'\n${lines.join('\n')}\nEND\n`
  return batch(4, ipv4) + batch(6, ipv6)
}

export const nftScript = (rules: string): string => (rules === '' ? '' : `nft -f - <<'END'\n${rules}END\n`)

/** Everything about a fresh box, for `sh -e` in its namespace. Sysctls first: they decide what "up" means. */
export function boxScript(plan: BoxPlan): string {
  const write = (path: string, value: number): string =>
    `for f in /proc/sys/net/${path}; do echo ${value} > "$f"; done\n`
  return [
    // No duplicate address detection and no router advertisements: addresses work at once and stay as given.
    write('ipv6/conf/*/accept_dad', 0),
    write('ipv6/conf/*/accept_ra', 0),
    write('ipv4/conf/*/rp_filter', plan.rpFilter),
    write('ipv4/ip_forward', plan.forwards ? 1 : 0),
    write('ipv6/conf/all/forwarding', plan.forwards ? 1 : 0),
    // Pings are many here, and a lost answer to one of them would read as a broken mesh.
    write('ipv4/icmp_ratelimit', 0),
    write('ipv6/icmp/ratelimit', 0),
    ipScript({ ipv4: ['link set lo up', ...plan.ipv4], ipv6: plan.ipv6 }),
    nftScript(plan.nft),
  ].join('')
}

const addAddress = ({ address, bits }: Placed, device: string, family: 4 | 6): string =>
  `addr replace ${address}/${bits} dev ${device}${family === 6 ? ' nodad' : ''}`

/** The box's own end: link up, addresses, default routes. Running it again mends what a link that was down lost. */
export const ownEnd = ({ device, v4, v6 }: Attachment): IpLines => ({
  ipv4: [
    `link set ${device} up`,
    ...(v4 ? [addAddress(v4, device, 4)] : []),
    ...(v4?.gateway ? [`route replace default via ${v4.gateway} dev ${device}`] : []),
  ],
  ipv6: [
    ...(v6 ? [addAddress(v6, device, 6)] : []),
    ...(v6?.gateway ? [`route replace default via ${v6.gateway} dev ${device}`] : []),
  ],
})

/** The other end: a member of the bridge there, or an interface that holds the gateway addresses. */
export function otherEnd({ port, bridge, v4, v6 }: Attachment): IpLines {
  if (bridge !== undefined) return { ipv4: [`link set ${port.device} master ${bridge} up`], ipv6: [] }
  const gateway = (placed: Placed | undefined, family: 4 | 6): string[] =>
    placed?.gateway ? [addAddress({ ...placed, address: placed.gateway }, port.device, family)] : []
  return { ipv4: [`link set ${port.device} up`, ...gateway(v4, 4)], ipv6: gateway(v6, 6) }
}

export const joinLines = (...all: readonly IpLines[]): IpLines => ({
  ipv4: all.flatMap(({ ipv4 }) => ipv4),
  ipv6: all.flatMap(({ ipv6 }) => ipv6),
})

/** The cable of an attachment, as a line for `ip -batch` outside all namespaces: both ends are born in theirs. */
export const cable = (
  namespaceOf: (box: string) => string,
  box: string,
  { device, port }: Attachment,
): string =>
  `link add ${device} netns ${namespaceOf(box)} type veth peer name ${port.device} netns ${namespaceOf(port.box)}`
