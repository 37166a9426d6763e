import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAnswered } from '../../shared/unix-socket.ts'
import { podPrefixes } from './attachment.ts'
import type { LabHost } from './box.ts'
import { nftScript } from './box-script.ts'
import type { Lab } from './lab.ts'
import { WIREGUARD_PORT } from './plan.ts'
import { type LabProcess, run } from './process.ts'
import { WAN } from './topology.ts'

/**
 * A mesh set up by hand with wg, nft and ip, without discovery and daemon: it shows that a lab carries one, and it
 * is something to compare with when a daemon's does not come up.
 *
 * Everybody knows everybody before anyone calls, and of two hosts only one calls: two handshakes that cross each other
 * on the way undo one another, and the next try is 5 s later.
 */
export async function handMadeMesh(lab: Lab): Promise<void> {
  const keys = new Map(
    await Promise.all(lab.hosts.map(async (host) => [host, await makeLink(host)] as const)),
  )
  const presharedKey = (await run(['wg', 'genpsk'])).stdout.trim()
  await Promise.all(
    lab.hosts.map(async (host) => {
      const peers = lab.hosts.filter((peer) => peer !== host)
      const file = join(host.stateDirectory, 'peers.conf')
      const sections = peers.map((peer) =>
        [
          '[Peer]',
          `PublicKey = ${keys.get(peer)}`,
          `PresharedKey = ${presharedKey}`,
          `AllowedIPs = ${addressesOf(peer).join(', ')}`,
          `Endpoint = ${endpointOf(lab, host, peer)}`,
        ].join('\n'),
      )
      writeFileSync(file, `${sections.join('\n')}\n`, { mode: 0o600 })
      const prefixes = peers.flatMap(addressesOf)
      const routes = host.v6 === undefined ? routesV6(prefixes) : ''
      await host.sh(`wg addconf kubespan ${file}\n${nftScript(markRules(prefixes))}${routes}`)
    }),
  )
  // The ones that can be called by anybody first: their calls open what the later ones need.
  for (const rank of [0, 1, 2, 3])
    await Promise.all(
      lab.hosts
        .filter((host) => rankOf(lab, host) === rank)
        .map((host) => {
          const called = lab.hosts.filter((peer) => peer !== host && calls(lab, host, peer))
          const peers = called.map((peer) => `peer ${keys.get(peer)} persistent-keepalive 25`)
          return called.length === 0 ? undefined : host.sh(`wg set kubespan ${peers.join(' ')}`)
        }),
    )
}

/** How hard it is to call a host. */
const rankOf = (lab: Lab, { network }: LabHost): number =>
  network === WAN
    ? 0
    : { 'full-cone': 1, 'port-restricted': 2, symmetric: 3 }[lab.addresses.nat(network).kind]

const calls = (lab: Lab, host: LabHost, peer: LabHost): boolean =>
  rankOf(lab, host) === rankOf(lab, peer) ? host.index < peer.index : rankOf(lab, host) > rankOf(lab, peer)

/** The address in the mesh that the host with this number has. */
export const meshAddress = (host: LabHost): string => `fd00:cafe::${host.index.toString(16)}`

const addressesOf = (host: LabHost): readonly string[] => [
  meshAddress(host),
  ...host.addresses,
  ...(host.pod === undefined ? [] : podPrefixes(host.index)),
]

/** Where the host can call the peer: over a LAN that both are on, else at its public address or that of its NAT. */
function endpointOf(lab: Lab, host: LabHost, peer: LabHost): string {
  for (const [name, { v4 }] of peer.lans)
    if (host.lans.has(name) && v4) return `${v4.address}:${WIREGUARD_PORT}`
  if (peer.v4 === undefined || host.v4 === undefined) return `[${peer.v6}]:${WIREGUARD_PORT}`
  const isOutside = peer.network === WAN || peer.network === host.network
  const address = isOutside ? peer.v4 : `198.18.${lab.addresses.natIndex(peer.network)}.2`
  return `${address}:${isOutside ? WIREGUARD_PORT : lab.addresses.outsidePort(peer.network, peer.v4)}`
}

/** Without any IPv6 route sockets refuse to send before a rule could mark the packet. */
const routesV6 = (prefixes: readonly string[]): string =>
  prefixes
    .filter((prefix) => prefix.includes(':'))
    .map((prefix) => `ip -6 route add ${prefix} dev kubespan metric 4294967295\n`)
    .join('')

/** Waits for a wireguard-go of the host, or its end. Before it listens `wg` must not call it (kubespan/apply/link.ts). */
export async function untilListening(host: LabHost, userspace: LabProcess): Promise<void> {
  const socket = join(host.runDirectory, 'wireguard', 'kubespan.sock')
  while (userspace.isRunning && !(await isAnswered(socket)))
    await new Promise((resolve) => setTimeout(resolve, 10))
}

/** The link with key, port and mark, its address, rules and routes. Returns the public key. */
async function makeLink(host: LabHost): Promise<string> {
  const key = (await run(['wg', 'genkey'])).stdout
  writeFileSync(join(host.stateDirectory, 'key'), key, { mode: 0o600 })
  const kernel = await host.exec('ip', ['link', 'add', 'kubespan', 'type', 'wireguard'], { check: false })
  if (kernel.code !== 0) {
    const userspace = host.spawn('wireguard-go', ['-f', 'kubespan'], { name: 'wireguard-go' })
    await untilListening(host, userspace)
  }
  const batch = [
    'rule add fwmark 0x40/0x60 lookup 180 pref 32500',
    'route replace default dev kubespan table 180',
  ]
  await host.sh(
    [
      `wg set kubespan listen-port ${WIREGUARD_PORT} fwmark 0x20 private-key ${host.stateDirectory}/key`,
      `ip link set kubespan mtu 1420 up`,
      `ip addr add ${meshAddress(host)}/64 dev kubespan nodad`,
      ...[4, 6].map((family) => `ip -${family} -batch - <<'END'\n${batch.join('\n')}\nEND`),
    ].join('\n'),
  )
  return (await run(['wg', 'pubkey'], { input: key })).stdout.trim()
}

/** What is for a peer gets the mark that leads into the tunnel, unless WireGuard itself sent it. */
function markRules(prefixes: readonly string[]): string {
  const elements = (isOurs: (prefix: string) => boolean): string => prefixes.filter(isOurs).join(', ')
  const mark = 'meta mark set meta mark & 0xffffffdf | 0x40 accept'
  const chain = (name: string, head: string): string =>
    `  chain ${name} {\n    ${head}; policy accept\n    meta mark & 0x60 == 0x20 accept\n    oifname "lo" accept\n    ip daddr @v4 ${mark}\n    ip6 daddr @v6 ${mark}\n  }\n`
  return `table inet byhand {
  set v4 { type ipv4_addr; flags interval; auto-merge; elements = { ${elements((p) => !p.includes(':'))} }; }
  set v6 { type ipv6_addr; flags interval; auto-merge; elements = { ${elements((p) => p.includes(':'))} }; }
${chain('forwarded', 'type filter hook prerouting priority filter').replace('    oifname "lo" accept\n', '')}${chain('own', 'type route hook output priority filter')}}
`
}
