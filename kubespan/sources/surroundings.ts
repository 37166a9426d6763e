import { readdir, readFile } from 'node:fs/promises'
import {
  type Address,
  bitsOf,
  compareAddresses,
  comparePrefixes,
  familyOf,
  hostPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  maskPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  splitPrefix,
} from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import type { Neighbour, OnLinkNetwork, Surroundings } from '../model/surroundings.ts'
import { forwardedByLink, forwardsPackets, readForwarding } from './forwarding.ts'

/** What of this host's routes is local to it. */
export interface LocalRoutes {
  readonly gateways: readonly Neighbour[]
  readonly networks: readonly OnLinkNetwork[]
}

/** What `observeSurroundings` asks the kernel: to start a process is what costs. */
export const showRoutes = (host: Pick<Host, 'run'>): Promise<string> =>
  host.run('ip', ['route', 'show', 'table', 'all'])

/** Gateways, name servers, DHCP servers and the networks on links, whatever of it can be found out. */
export async function observeSurroundings(
  host: Pick<Host, 'readSetting' | 'listSettings'>,
  routes: string,
  ownLinkName: string,
  root = '/',
): Promise<Surroundings> {
  const [resolvers, leases, forwarding] = await Promise.all([
    Promise.all(RESOLVER_FILES.map((file) => readText(`${root}${file}`))),
    readLeases(root),
    readForwarding(host, ownLinkName),
  ])
  const { gateways, networks } = parseLocalRoutes(routes, ownLinkName)
  const linkOf = (address: Address): string | undefined =>
    gateways.find((gateway) => gateway.address === address)?.link ??
    networks.find(({ prefix }) => prefixContains(prefix, address))?.link
  const found: Neighbour[] = [
    ...gateways,
    ...resolvers.flatMap(parseNameServers).map((address) => server(address, 'name server', linkOf)),
    ...leases.flatMap(({ text, isCurrent }) =>
      parseLeaseServers(text)
        .map((address) => server(address, 'DHCP server', linkOf))
        // Of a lease that may be over, only what is still near counts.
        .filter(({ link }) => isCurrent || link !== undefined),
    ),
  ]
  const neighbours = found.filter(({ address }) => isElsewhere(address)).sort(compareNeighbours)
  return {
    neighbours: distinct(neighbours),
    networks,
    forwards: forwardsPackets(forwarding),
    forwardedByLink: forwardedByLink(forwarding),
  }
}

const server = (
  address: Address,
  role: Neighbour['role'],
  linkOf: (address: Address) => string | undefined,
): Neighbour => ({ address, role, link: linkOf(address) })

/** Nobody can claim what has a meaning on one link or one host only. */
const isElsewhere = (address: Address): boolean =>
  !isLoopback(address) && !isLinkLocal(address) && !isMulticast(address) && !/^(0\.|::$)/.test(address)

const compareNeighbours = (a: Neighbour, b: Neighbour): number =>
  compareAddresses(a.address, b.address) || (a.role < b.role ? -1 : a.role > b.role ? 1 : 0)

const distinct = <T>(values: readonly T[]): T[] => [
  ...new Map(values.map((value) => [JSON.stringify(value), value])).values(),
]

/** The kernel's own names for routes that lead to no link. */
const NO_UNICAST =
  /^(local|broadcast|anycast|multicast|throw|unreachable|prohibit|blackhole|nat|\s*nexthop)\b/
const LEARNED_ON_LINK = new Set(['kernel', 'ra', 'dhcp'])

/**
 * `ip route show table all`. A gateway of ours is one that everything leaves by, in whichever table; one of some network may be
 * another node of the mesh, which routes its pods. The networks of a link are those that its addresses, or its router, brought;
 * a route that somebody made to a whole network may lead to another node as well.
 */
export function parseLocalRoutes(text: string, ownLinkName: string): LocalRoutes {
  const gateways: Neighbour[] = []
  const networks: OnLinkNetwork[] = []
  let isDefault = false
  for (const line of text.split('\n')) {
    if (!/^\s/.test(line) && line !== '') isDefault = line.startsWith('default ')
    const [, via] = /\bvia (?:inet6? )?(\S+)/.exec(line) ?? []
    const [, link = ''] = /\bdev (\S+)/.exec(line) ?? []
    if (link === ownLinkName) continue
    const gateway = parseAddress(via ?? '')
    if (gateway !== undefined) {
      if (isDefault) gateways.push({ address: gateway, role: 'gateway', link: link || undefined })
      continue
    }
    const network = NO_UNICAST.test(line) ? undefined : destinationOf(line)
    if (network === undefined || link === '' || link === 'lo') continue
    const { address, bits } = splitPrefix(network)
    const isHost = bits === bitsOf(familyOf(network))
    const [, protocol = 'boot'] = /\bproto (\S+)/.exec(line) ?? []
    if (isElsewhere(address) && (isHost || LEARNED_ON_LINK.has(protocol)))
      networks.push({ prefix: network, link })
  }
  return {
    gateways: distinct(gateways),
    networks: distinct(networks).sort((a, b) => comparePrefixes(a.prefix, b.prefix)),
  }
}

function destinationOf(line: string): Prefix | undefined {
  const [word = ''] = line.split(' ')
  const address = parseAddress(word)
  if (address !== undefined) return hostPrefix(address)
  const prefix = parsePrefix(word)
  return prefix === undefined ? undefined : maskPrefix(prefix)
}

/** Where systemd-resolved and NetworkManager keep the servers that they ask themselves, when /etc/resolv.conf names them. */
const RESOLVER_FILES = [
  'etc/resolv.conf',
  'run/systemd/resolve/resolv.conf',
  'run/NetworkManager/no-stub-resolv.conf',
]

export const parseNameServers = (text: string): Address[] =>
  [...text.matchAll(/^[ \t]*nameserver[ \t]+([^\s#;]+)/gm)].flatMap(
    ([, word = '']) => parseAddress(word) ?? [],
  )

interface LeaseDirectory {
  readonly path: string
  readonly pattern: RegExp
  /** Leases that are over are removed from it. */
  readonly isCurrent: boolean
}

/** Of systemd-networkd, dhclient, and NetworkManager with either of them built in. */
const LEASE_DIRECTORIES: readonly LeaseDirectory[] = [
  { path: 'run/systemd/netif/leases', pattern: /./, isCurrent: true },
  { path: 'var/lib/dhcp', pattern: /^dhclient.*\.leases?$/, isCurrent: false },
  { path: 'var/lib/dhclient', pattern: /\.leases?$/, isCurrent: false },
  { path: 'var/lib/NetworkManager', pattern: /\.lease$/, isCurrent: false },
]

async function readLeases(root: string) {
  const leases = LEASE_DIRECTORIES.map(async ({ path, pattern, isCurrent }) => {
    const names = await readdir(`${root}${path}`).catch(() => [])
    const files = names.filter((name) => pattern.test(name)).map((name) => `${root}${path}/${name}`)
    return await Promise.all(files.map(async (file) => ({ text: await readText(file), isCurrent })))
  })
  return (await Promise.all(leases)).flat()
}

/** A file of dhclient has the lease in effect at its end. */
export const parseLeaseServers = (text: string): Address[] =>
  [/^SERVER_ADDRESS=(\S+)/gm, /\bdhcp-server-identifier ([^\s;]+)/g].flatMap((pattern) => {
    const [, word = ''] = [...text.matchAll(pattern)].at(-1) ?? []
    return parseAddress(word) ?? []
  })

/** What is not there, or not for us to read, tells nothing. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
