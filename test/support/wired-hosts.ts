import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createHost, type Host } from '../../kubespan/host/host.ts'
import type { DesiredPeer, DesiredState } from '../../kubespan/model/desired.ts'
import { systemClock } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import { desiredOf, OTHER_SECRETS, placementOf, SECRETS } from './desired-states.ts'
import { bringInLine } from './host-cases.ts'
import { PATIENCE, patient } from './patience.ts'
import { enterPrivateHost, whyNoPrivateHost } from './private-host.ts'

/**
 * Two hosts on one wire, for a test file that lives in a private host: its process is on host A, host B is a namespace, and a
 * pod of A another. What B receives on the wire that is not WireGuard's has been sent in clear.
 */

export const NODE_A = '192.0.2.1'
export const NODE_B = '192.0.2.2'
export const POD_OF_A = '10.66.0.2'
export const POD_OF_B = '10.77.0.1'
export const ULA_A = 'fd11:2233:4455:6602::a'
export const ULA_B = 'fd11:2233:4455:6602::b'
export const BYPASSED = 3000
export const ORDINARY = 4000

const children: ChildProcess[] = []
export let a: Host
export let b: Host

export const ip = (line: string): Promise<string> => a.run('ip', line.split(' '))
export const inB = (line: string, input?: string): Promise<string> =>
  a.run('ip', ['netns', 'exec', 'b', ...line.split(' ')], input)

/** The host of namespace `b`, through `ip netns exec`. */
const hostOfB = (host: Host): Host => ({
  ...host,
  run: (tool, args, input) => host.run('ip', ['netns', 'exec', 'b', tool, ...args], input),
  spawnDetached: (tool, args, log) => host.spawnDetached('ip', ['netns', 'exec', 'b', tool, ...args], log),
  readSetting: async (path) => (await inB(`cat /proc/sys/net/${path}`)).trim(),
  listSettings: async (directory) => (await inB(`ls /proc/sys/net/${directory}`)).trim().split('\n'),
  writeSetting: async (path, value) => {
    await inB(`tee /proc/sys/net/${path}`, value)
    return true
  },
})

export const peerB = (said: Partial<DesiredPeer> = {}): DesiredPeer => ({
  publicKey: OTHER_SECRETS.publicKey,
  allowedIps: [`${NODE_B}/32`, '10.77.0.0/24', `${ULA_B}/128`] as Prefix[],
  endpoint: `${NODE_B}:51820` as AddressPort,
  ...said,
})

export const desiredA = (
  peers: readonly DesiredPeer[] = [],
  said: Partial<DesiredState> = {},
): DesiredState => desiredOf([peerB(), ...peers], { address: ULA_A as Address, ...said })

export const desiredB = (said: Partial<DesiredState> = {}): DesiredState =>
  desiredOf(
    [
      {
        publicKey: SECRETS.publicKey,
        allowedIps: [`${NODE_A}/32`, '10.66.0.0/24', `${ULA_A}/128`] as Prefix[],
        endpoint: `${NODE_A}:51820` as AddressPort,
      },
    ],
    { address: ULA_B as Address, placement: placementOf({ linkName: 'kubespan-b' }), ...said },
  )

/** Makes both, and B's servers, in the namespaces of this process. */
async function wireUp(): Promise<void> {
  a = createHost({
    clock: systemClock,
    runDirectory: await mkdtemp(join(tmpdir(), 'openspan-path-')),
    timeout: patient(60_000),
  })
  b = hostOfB(a)
  for (const name of ['all', 'default']) await a.writeSetting(`ipv6/conf/${name}/accept_dad`, '0')
  await a.writeSetting('ipv4/ip_forward', '1')
  for (const line of [
    'netns add b',
    'netns add pod',
    'link add wire type veth peer name wire netns b',
    `address add ${NODE_A}/24 dev wire`,
    'link set dev wire up',
    `route add default via ${NODE_B}`,
    `-n b address add ${NODE_B}/24 dev wire`,
    `-n b address add ${POD_OF_B}/32 dev lo`,
    '-n b link set dev lo up',
    '-n b link set dev wire up',
    `-n b route add default via ${NODE_A}`,
    'link add cni type veth peer name eth0 netns pod',
    'address add 10.66.0.1/24 dev cni',
    'link set dev cni up',
    `-n pod address add ${POD_OF_A}/24 dev eth0`,
    '-n pod link set dev eth0 up',
    '-n pod route add default via 10.66.0.1',
  ])
    await ip(line)
  await inB(
    'nft -f -',
    `table inet watch {
      counter clear { }
      set seen4 { typeof ip saddr . ip daddr . ip protocol . th dport; flags dynamic; size 64; }
      set seen6 { typeof ip6 saddr . ip6 daddr . ip6 nexthdr . th dport; flags dynamic; size 64; }
      counter bypassed { }
      counter tall { }
      counter clamped { }
      chain wire {
        type filter hook prerouting priority -300; policy accept;
        iifname "kubespan-b" tcp flags & (syn|rst) == syn tcp option maxseg size > 1368 counter name tall
        iifname "kubespan-b" tcp flags & (syn|rst) == syn tcp option maxseg size == 1368 counter name clamped
        iifname != "wire" accept
        udp dport 51820 accept
        ip6 saddr fe80::/10 accept
        ip6 saddr :: accept
        tcp dport ${BYPASSED} counter name bypassed accept
        tcp sport ${BYPASSED} counter name bypassed accept
        counter name clear
        add @seen4 { ip saddr . ip daddr . ip protocol . th dport }
        add @seen6 { ip6 saddr . ip6 daddr . ip6 nexthdr . th dport }
      }
    }`,
  )
  const script = `const { createServer } = require('node:net')
    for (const port of [${BYPASSED}, ${ORDINARY}]) createServer((socket) => socket.end('b')).listen(port, '::')
    setTimeout(() => console.log('ready'), ${patient(50)})`
  const server = spawn('ip', ['netns', 'exec', 'b', process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(server)
  await once(server.stdout, 'data')
}

/** Ends the processes of B. */
function cutOff(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** In which an answer comes, if one comes at all. */
const ANSWER_MS = 1500
/** Where none should come. No machine is so slow that an answer took more than 6 s. */
export const SILENCE_MS = Math.min(ANSWER_MS, 6_000 / PATIENCE)

/** What the server says, or why it does not. */
export const ask = (host: string, port = ORDINARY, timeout = ANSWER_MS): Promise<string> =>
  new Promise((done) => {
    const socket = connect({ host, port, timeout: patient(timeout) })
    let said = ''
    socket.on('data', (data) => {
      said += data
    })
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'))
    socket.on('timeout', () => {
      socket.destroy()
      done('timeout')
    })
    socket.on('end', () => {
      socket.end()
      done(said)
    })
  })

/** The same question from another namespace. */
export async function askFrom(
  namespace: string,
  host: string,
  port = ORDINARY,
  timeout = ANSWER_MS,
): Promise<string> {
  const script = `const socket = require('node:net').connect({ host: '${host}', port: ${port}, timeout: ${patient(timeout)} })
    const say = (text) => { process.stdout.write(text); process.exit() }
    socket.on('data', (data) => say(String(data))).on('error', (error) => say(error.code)).on('timeout', () => say('timeout'))`
  return await a.run('ip', ['netns', 'exec', namespace, process.execPath, '-e', script])
}

export const counter = async (name: string, table = 'watch'): Promise<number> => {
  const { nftables } = JSON.parse(await inB(`nft -j list counter inet ${table} ${name}`)) as {
    nftables: { counter?: { packets: number } }[]
  }
  return nftables.find((row) => row.counter !== undefined)?.counter?.packets ?? Number.NaN
}

/** @throws with the addresses, protocols and ports that were seen */
export async function assertNothingInClear(): Promise<void> {
  if ((await counter('clear')) === 0) return
  assert.fail(`${await inB('nft list set inet watch seen4')}${await inB('nft list set inet watch seen6')}`)
}

export const meshUp = async (
  saidA: Partial<DesiredState> = {},
  saidB: Partial<DesiredState> = {},
): Promise<void> => {
  await bringInLine(a, desiredA([], saidA))
  await bringInLine(b, desiredB(saidB), OTHER_SECRETS)
}

/** Wires the hosts for all tests of this file. Answers why they are skipped, or false. */
export function wireHosts(testFileUrl: string): string | false {
  const why = whyNoPrivateHost(['ip', 'nft', 'wg', 'wireguard-go'])
  if (why !== undefined) return why
  enterPrivateHost(fileURLToPath(testFileUrl))
  before(wireUp)
  after(cutOff)
  return false
}
