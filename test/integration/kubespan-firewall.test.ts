import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { checkFirewall } from '../../kubespan/doctor/checks/firewall.ts'
import { observeFacts } from '../../kubespan/doctor/observe.ts'
import { systemWorld } from '../../kubespan/doctor/world.ts'
import { createHost } from '../../kubespan/host/host.ts'
import type { Finding } from '../../kubespan/model/finding.ts'
import { systemClock } from '../../shared/clock.ts'
import { settingsOf } from '../support/doctor-facts.ts'
import { patient } from '../support/patience.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'

/**
 * Firewalls as people have them, on a real host with a neighbour that calls: what the doctor says of them is what happens to the
 * packets, and what mends it does.
 */
const skip = whyNoPrivateHost(['ip', 'nft', 'bash']) ?? false
if (!skip) enterPrivateHost(fileURLToPath(import.meta.url))

const PORT = 51820
const ADDRESSES = { 4: '192.0.2.1', 6: '2001:db8::1' } as const
const run = promisify(execFile)
const sh = (script: string): void => {
  const { status, stderr } = spawnSync('sh', ['-ec', script], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

let directory = ''
const sockets: Socket[] = []
const heard = new Set<string>()
let onHeard = (): void => {}

before(async () => {
  if (skip) return
  directory = mkdtempSync(join(tmpdir(), 'openspan-firewall-'))
  sh(`ip netns add b
    ip link add eth0 type veth peer name eth1 netns b
    ip address add 192.0.2.1/24 dev eth0
    ip address add 2001:db8::1/64 dev eth0 nodad
    ip link set eth0 up
    ip netns exec b ip address add 192.0.2.2/24 dev eth1
    ip netns exec b ip address add 2001:db8::2/64 dev eth1 nodad
    ip netns exec b ip link set eth1 up`)
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' })
    socket.on('message', (text) => {
      heard.add(text.toString().trim())
      onHeard()
    })
    await new Promise<void>((done) => socket.bind(PORT, done))
    sockets.push(socket)
  }
  // The neighbours learn of each other before any firewall is there.
  for (const family of [4, 6] as const)
    for (let tries = 0; !(await calls(family, STAYS_AWAY_FOR)); tries += 1)
      assert.ok(tries < 50, `no way over IPv${family} without a firewall`)
})
after(() => {
  for (const socket of sockets) socket.close()
  if (directory !== '') rmSync(directory, { recursive: true })
})
afterEach(() => {
  if (!skip) sh('nft flush ruleset')
})

/** What comes through comes within milliseconds, on a machine that has time. */
const COMES_WITHIN = patient(10_000)
const STAYS_AWAY_FOR = patient(300)

let count = 0
/** Has the neighbour call, and answers whether that came through in time. */
async function calls(family: 4 | 6, limit: number): Promise<boolean> {
  count += 1
  const word = `call-${count}`
  const stop = new AbortController()
  onHeard = () => {
    if (heard.has(word)) stop.abort()
  }
  // What is rejected may come back as an error before bash has ended.
  const target = `/dev/udp/${ADDRESSES[family]}/${PORT}`
  await run('ip', ['netns', 'exec', 'b', 'bash', '-c', `echo ${word} > ${target}`]).catch(() => undefined)
  await sleep(limit, undefined, stop).catch(() => undefined)
  return heard.has(word)
}

async function callArrives(family: 4 | 6, expected: boolean): Promise<void> {
  const limit = expected ? COMES_WITHIN : STAYS_AWAY_FOR
  assert.equal(await calls(family, limit), expected, `a call over IPv${family}`)
}

/** What the doctor says of the firewall, and of calls only. */
async function findings(change = ''): Promise<{ all: readonly Finding[]; calls: readonly Finding[] }> {
  const host = createHost({ clock: systemClock, runDirectory: directory })
  const settings = { ...settingsOf(change), services: [] }
  const facts = await observeFacts(
    systemWorld(host, async () => undefined),
    { fact: { file: 'c.yaml', problem: undefined, warnings: [] }, settings },
  )
  const all = checkFirewall(facts)
  return { all, calls: all.filter(({ says, severity }) => severity !== 'ok' && says.includes(`UDP ${PORT}`)) }
}

const ACCEPTS = 'ct state established,related accept; iifname "lo" accept; tcp dport 22 accept;'
/** As nft before 1.0.7 wants it: nothing ends with a brace alone. */
const chain = (name: string, body: string): string => `chain ${name} { ${body}; };`
const input = (policy: string, rules: string, priority = '0'): string =>
  chain('INPUT', `type filter hook input priority ${priority}; policy ${policy}; ${rules}`)

/** Firewalls that keep calls out, with the chain that is named and the families. */
const CLOSED: readonly [string, string, RegExp, readonly (4 | 6)[]][] = [
  [
    'that ends in reject with policy accept',
    `table inet filter { ${input('accept', 'ct state established accept; tcp dport 22 accept; reject;')} }`,
    /^chain INPUT of table inet filter rejects UDP 51820: /,
    [4, 6],
  ],
  [
    'with policy drop',
    `table inet filter { ${input('drop', ACCEPTS)} }`,
    /^chain INPUT of table inet filter drops, by its policy, UDP 51820: /,
    [4, 6],
  ],
  [
    'that ends in drop',
    `table inet filter { ${input('accept', `${ACCEPTS} counter drop`)} }`,
    /^chain INPUT of table inet filter drops UDP 51820: /,
    [4, 6],
  ],
  [
    'of IPv4 alone',
    `table ip filter { ${input('accept', `${ACCEPTS} reject with icmp host-prohibited`)} }`,
    /^chain INPUT of table ip filter rejects UDP 51820: /,
    [4],
  ],
  [
    'of IPv6 alone',
    `table ip6 filter { ${input('drop', `${ACCEPTS} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`)} }`,
    /^chain INPUT of table ip6 filter drops, by its policy, UDP 51820: /,
    [6],
  ],
  [
    'that treats IPv6 otherwise',
    `table inet filter { ${input('accept', `${ACCEPTS} meta nfproto ipv6 accept; drop`)} }`,
    /^chain INPUT of table inet filter drops UDP 51820 over IPv4: /,
    [4],
  ],
  [
    'with zones, as firewalld has it',
    `table inet firewalld {
      ${chain('filter_INPUT', 'type filter hook input priority filter + 10; policy accept; ct state { established, related } accept; ct status dnat accept; iifname "lo" accept; jump filter_INPUT_ZONES; ct state invalid drop; reject with icmpx admin-prohibited')}
      ${chain('filter_INPUT_ZONES', 'iifname "eth0" goto filter_IN_public; goto filter_IN_public')}
      ${chain('filter_IN_public', 'jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; reject with icmpx admin-prohibited')}
      ${chain('filter_IN_public_allow', 'tcp dport 22 accept; ip6 daddr fe80::/64 udp dport 546 accept')} }`,
    /^chain filter_INPUT of table inet firewalld rejects, in chain filter_IN_public, UDP 51820: /,
    [4, 6],
  ],
  [
    'with a map of verdicts and a set of ports',
    `table inet filter { set ports { type inet_service; flags interval; elements = { 53, 8000-9000 } }
      ${chain('fresh', 'udp dport @ports accept; meta l4proto vmap { udp : drop, tcp : accept }')}
      ${input('accept', 'ct state vmap { established : accept, related : accept, invalid : drop, new : jump fresh }')} }`,
    /^chain INPUT of table inet filter drops, in chain fresh, UDP 51820: /,
    [4, 6],
  ],
  [
    'of raw packets',
    `table inet raw { ${chain('pre', 'type filter hook prerouting priority raw; policy accept; udp dport != { 53, 123 } drop')} }`,
    /^chain pre of table inet raw drops UDP 51820: /,
    [4, 6],
  ],
  [
    'at the card',
    `table netdev guard { ${chain('incoming', 'type filter hook ingress device "eth0" priority 0; policy accept; meta l4proto udp drop')} }`,
    /^chain incoming of table netdev guard drops UDP 51820: /,
    [4, 6],
  ],
  [
    'with two chains, one of which lets calls in',
    `table inet one { ${input('accept', `${ACCEPTS} udp dport ${PORT} accept; drop`)} }
     table inet two { ${input('accept', `${ACCEPTS} meta l4proto udp th dport > 1024 drop`, '10')} }`,
    /^chain INPUT of table inet two drops UDP 51820: /,
    [4, 6],
  ],
]

for (const [name, ruleset, says, families] of CLOSED)
  test(`a firewall ${name} is named, and the command lets calls in`, { skip }, async () => {
    sh(`nft -f - <<'E'\n${ruleset}\nE`)
    for (const family of [4, 6] as const) await callArrives(family, !families.includes(family))
    const before = await findings()
    assert.equal(before.calls.length, 1, JSON.stringify(before.calls))
    const [finding] = before.calls
    assert.equal(finding?.severity, 'warning')
    assert.match(finding?.says ?? '', says)
    sh(finding?.mend ?? 'false')
    for (const family of [4, 6] as const) await callArrives(family, true)
    assert.deepEqual((await findings()).calls, [])
  })

/** Firewalls that let calls in: no alarm. */
const OPEN: readonly [string, string][] = [
  ['none', 'table inet filter {}'],
  ['the port by number', `table inet filter { ${input('drop', `${ACCEPTS} udp dport ${PORT} accept`)} }`],
  [
    'the port in a set, a range and a concatenation',
    `table inet filter { set ports { type inet_proto . inet_service; flags interval; elements = { tcp . 22, udp . 51800-51900 } }
      ${input('drop', `${ACCEPTS} meta l4proto . th dport @ports accept`)} }`,
  ],
  ['the link', `table inet filter { ${input('drop', 'iifname { "lo", "eth*" } accept')} }`],
  [
    'all but a list of the unwanted',
    `table inet filter { set banned { type ipv4_addr; elements = { 198.51.100.9 } }
      ${input('accept', 'ip saddr @banned drop; tcp dport 22 ip saddr @banned reject; limit rate over 1000/second drop')} }`,
  ],
  [
    'by a jump that returns',
    `table inet filter { ${chain('logs', 'udp dport 5353 drop; return')} ${input('drop', `jump logs; udp dport { 53, ${PORT} } accept`)} }`,
  ],
  [
    'new connections to this host',
    `table inet filter { ${input('drop', 'fib daddr type local ct state new,untracked meta pkttype host accept')} }`,
  ],
  [
    'all, but for other hooks and families',
    `table bridge filter { ${chain('input', 'type filter hook input priority 0; policy drop')} }
     table inet other { ${chain('forward', 'type filter hook forward priority 0; policy drop')} ${chain('out', 'type filter hook output priority 0; policy accept')} }`,
  ],
]
for (const [name, ruleset] of OPEN)
  test(`a firewall that lets in ${name} is no cause for alarm`, { skip }, async () => {
    sh(`nft -f - <<'E'\n${ruleset}\nE`)
    for (const family of [4, 6] as const) await callArrives(family, true)
    assert.deepEqual((await findings()).calls, [])
  })

test('what depends on who calls is a hint, and no alarm', { skip }, async () => {
  sh(`nft -f - <<'E'
table inet filter { ${input('drop', `${ACCEPTS} ip saddr 192.0.2.0/24 udp dport ${PORT} accept; ip6 saddr 2001:db8::/64 accept`)} }
E`)
  await callArrives(4, true)
  const [finding, ...more] = (await findings()).calls
  assert.deepEqual(more, [])
  assert.equal(finding?.severity, 'info')
  assert.match(finding?.says ?? '', /^chain INPUT of table inet filter lets UDP 51820 in from some/)
})

test('what comes out of the mesh and does not get in is told, with what lets it in', { skip }, async () => {
  sh(`nft -f - <<'E'
table inet filter { ${input('drop', `${ACCEPTS} udp dport ${PORT} accept`)}
  ${chain('FORWARD', 'type filter hook forward priority 0; policy drop')} }
E`)
  const of = async (change?: string): Promise<readonly Finding[]> =>
    (await findings(change)).all.filter(({ severity }) => severity !== 'ok')
  assert.deepEqual(
    (await of()).map(({ severity, says, mend }) => [severity, says, mend]),
    [
      [
        'info',
        'chain INPUT of table inet filter lets only some of what comes out of the mesh pass, or cannot be judged from here',
        'nft insert rule inet filter INPUT iifname kubespan accept',
      ],
    ],
  )
  const advertised = await of(', advertiseKubernetesNetworks: true')
  assert.deepEqual(
    advertised.slice(1).map(({ severity, says }) => [severity, says]),
    [
      [
        'warning',
        'chain FORWARD of table inet filter drops, by its policy, what comes out of the mesh for pods',
      ],
      ['warning', 'chain FORWARD of table inet filter drops, by its policy, what pods send into the mesh'],
    ],
  )
  for (const { mend } of advertised) sh(mend ?? 'false')
  assert.deepEqual(await of(', advertiseKubernetesNetworks: true'), [])
})
