import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderFindings } from '../../../../kubespan/cli/findings.ts'
import { parseTableRoutes } from '../../../../kubespan/diff/routing-view.ts'
import { checkLocal } from '../../../../kubespan/doctor/checks/clashes.ts'
import { checkForwardedSources } from '../../../../kubespan/doctor/checks/packets.ts'
import { checkServices } from '../../../../kubespan/doctor/checks/reach.ts'
import { diagnose } from '../../../../kubespan/doctor/diagnose.ts'
import type { Facts, FileFact, ServiceFact } from '../../../../kubespan/doctor/facts.ts'
import type { Finding, Severity } from '../../../../kubespan/model/finding.ts'
import { parseRuleset } from '../../../../kubespan/model/nft-ruleset.ts'
import { parseRules } from '../../../../kubespan/model/policy-rule.ts'
import type { Address, AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { daemonView } from '../../../support/daemon-view.ts'
import { deviceFact, facts, linkFact, serviceFact, settingsOf } from '../../../support/doctor-facts.ts'

const notOk = (given: Facts): Finding[] => diagnose(given).filter(({ severity }) => severity !== 'ok')
/** A firewall of one rule that gives packets a mark. */
const marks = (
  value: unknown,
  { table = 'nb', type = 'filter', hook = 'prerouting', prio = -150, jumped = '' } = {},
) => ({
  ruleset: {
    value: parseRuleset(
      JSON.stringify({
        nftables: [
          { chain: { family: 'inet', table, name: 'p', type, hook, prio } },
          ...(jumped === ''
            ? []
            : [
                { chain: { family: 'inet', table, name: jumped } },
                {
                  rule: {
                    family: 'inet',
                    table,
                    chain: 'p',
                    handle: 3,
                    expr: [{ jump: { target: jumped } }],
                  },
                },
              ]),
          {
            rule: {
              ...{ family: 'inet', table, chain: jumped || 'p', handle: 2 },
              expr: [value === null ? { xt: { name: 'MARK' } } : { mangle: { key: MARK, value } }],
            },
          },
        ],
      }),
    ),
  },
  hasFirewalld: false,
  hasUfw: false,
  hasIptablesNft: false,
  hasLegacyTables: false,
})
const MARK = { meta: { key: 'mark' } }
const rule = (row: object) => ({ value: parseRules(JSON.stringify([{ src: 'all', ...row }]), 4) })
const file = (what: FileFact['what'], mode: number, isDirectory = false): FileFact => ({
  path: `/x/${what}`,
  what,
  stat: { mode, uid: 0, isDirectory },
  problem: undefined,
})
const rootless = { uid: 990, effective: 0n, ambient: 0n, bounding: 0n }

test('a healthy host has nothing to complain of', () => {
  assert.deepEqual(notOk(facts()), [])
  const text = renderFindings(diagnose(facts()))
  assert.match(text, /^ok +configuration +\/etc\/kubespan\/config\.yaml is valid\n/)
  assert.match(text, /\n\n0 errors, 0 warnings in 15 findings\n$/)
})

/** What is changed on the healthy host, and what must be found because of that, and nothing else. */
const cases: readonly [string, Partial<Facts>, Severity, string, RegExp, RegExp?][] = [
  [
    'no valid configuration',
    { config: { file: '/f', problem: 'f:3: bad', warnings: [] } },
    'error',
    'configuration',
    /f:3: bad/,
    /config validate \/f/,
  ],
  [
    'a configuration that warns',
    { config: { file: '/f', problem: undefined, warnings: ['odd'] } },
    'warning',
    'configuration',
    /^odd$/,
  ],
  [
    'KubeSpan is off',
    { settings: { ...settingsOf(), enabled: false } },
    'info',
    'configuration',
    /disabled/,
    /enabled: true/,
  ],
  [
    'a tool is missing',
    { programs: new Set(['ip', 'wg']) },
    'error',
    'tools',
    /nft is not installed/,
    /apt-get install nftables/,
  ],
  [
    'a capability is missing',
    { privileges: rootless, daemon: { value: undefined }, udpPorts: new Set() },
    'error',
    'privileges',
    /CAP_NET_ADMIN is missing/,
    /sudo/,
  ],
  ['somebody else runs the daemon', { privileges: rootless }, 'info', 'privileges', /cannot be looked at/],
  [
    'the last pass failed',
    {
      daemon: {
        value: daemonView({
          lastReconcile: { at: 0, durationMilliseconds: 1, changes: 0, error: 'nft: busy' },
        }),
      },
    },
    'error',
    'daemon',
    /nft: busy/,
  ],
  [
    'the daemon warns',
    { daemon: { value: daemonView({ warnings: ['an overlap'] }) } },
    'warning',
    'daemon',
    /an overlap/,
  ],
  [
    'the node has left',
    { daemon: { value: daemonView({ hasLeft: true }) } },
    'warning',
    'daemon',
    /has left/,
    /restart/,
  ],
  [
    'the socket is closed to us',
    { daemon: { problem: 'permission denied' } },
    'warning',
    'daemon',
    /permission denied/,
  ],
  [
    'no daemon',
    { daemon: { value: undefined } },
    'info',
    'daemon',
    /no daemon runs/,
    /kubespan run --config/,
  ],
  [
    'neither kernel nor wireguard-go',
    { kernelWireGuard: 'absent' },
    'error',
    'wireguard',
    /wireguard-go is not installed/,
    /apt-get install wireguard-go/,
  ],
  [
    'userspace',
    { kernelWireGuard: 'absent', programs: new Set(['ip', 'nft', 'wg', 'wireguard-go']) },
    'info',
    'wireguard',
    /slower/,
  ],
  [
    'no tun',
    { kernelWireGuard: 'absent', hasTun: false, programs: new Set(['ip', 'nft', 'wg', 'wireguard-go']) },
    'error',
    'wireguard',
    /\/dev\/net\/tun/,
    /modprobe tun/,
  ],
  [
    'a container that cannot see the modules',
    { kernelWireGuard: 'unknown' },
    'info',
    'wireguard',
    /cannot be told/,
  ],
  [
    'the kernel is demanded and has none',
    { kernelWireGuard: 'absent', settings: settingsOf('', ', wireguard: kernel') },
    'error',
    'wireguard',
    /wants the kernel/,
  ],
  [
    'the kernel is demanded and unknown',
    { kernelWireGuard: 'unknown', settings: settingsOf('', ', wireguard: kernel') },
    'info',
    'wireguard',
    /cannot be told/,
  ],
  [
    'nft does not work',
    { chains: { problem: 'nft: Protocol not supported' } },
    'error',
    'nftables',
    /not supported/,
  ],
  [
    'nft is for root',
    { chains: { problem: 'nft: Operation not permitted' } },
    'info',
    'nftables',
    /only root/,
  ],
  [
    'a key that all may read',
    { files: [file('identity', 0o100644)] },
    'error',
    'files',
    /mode 0644/,
    /chmod 600/,
  ],
  [
    'a configuration that all may read',
    { files: [file('configuration', 0o100604)] },
    'error',
    'files',
    /mode 0604/,
    /chmod o-rwx/,
  ],
  [
    'a state directory that all may write',
    { files: [file('state directory', 0o40777, true)] },
    'error',
    'files',
    /may replace/,
    /chmod 700/,
  ],
  ['a file for a directory', { files: [file('run directory', 0o100600)] }, 'error', 'files', /no directory/],
  [
    'a directory that is closed to us',
    { files: [{ path: '/x', what: 'state directory', stat: undefined, problem: 'only root may look' }] },
    'warning',
    'files',
    /only root/,
  ],
  ['a full disk', { freeStateBytes: 10 }, 'error', 'files', /full/, /df/],
  [
    'no time server',
    { clock: { value: false } },
    'warning',
    'clock',
    /not synchronised/,
    /timedatectl set-ntp true/,
  ],
  ['no systemd', { clock: { problem: 'no bus' } }, 'info', 'clock', /no bus/],
  [
    'a service without name',
    { services: [serviceFact({ nameProblem: 'ENOTFOUND', attempts: [] })] },
    'error',
    'discovery',
    /cannot be resolved: ENOTFOUND/,
    /getent ahosts d\.example/,
  ],
  [
    'a service that refuses',
    { services: [serviceFact({ helloProblem: 'UNAVAILABLE' })] },
    'error',
    'discovery',
    /does not answer: UNAVAILABLE/,
    /curl -v https:\/\/d\.example:443\//,
  ],
  [
    'a service that takes this node for a stranger',
    { services: [serviceFact({ proof: { kind: 'refused', why: 'its time is off' } })] },
    'warning',
    'discovery',
    /does not accept our proof of membership: its time is off/,
    /kubespan config show --write-key/,
  ],
  [
    'a service that knows no write key of the cluster',
    { services: [serviceFact({ proof: { kind: 'unused' } })] },
    'info',
    'discovery',
    /who knows the id of the cluster may change its records/,
    /kubespan config show --write-key/,
  ],
  [
    'IPv6 of a service is broken',
    {
      services: [
        serviceFact({
          attempts: serviceFact().attempts.map((one) =>
            one.family === 6 ? { ...one, problem: 'timeout' } : one,
          ),
        }),
      ],
    },
    'warning',
    'discovery',
    /2001:db8::1 does not answer over IPv6: timeout/,
  ],
  [
    'nothing of a service answers, and there is no cluster to greet',
    {
      services: [
        serviceFact({
          hasHello: false,
          plaintext: true,
          clientAddress: undefined,
          attempts: serviceFact().attempts.map((one) => ({ ...one, problem: 'refused' })),
        }),
      ],
    },
    'error',
    'discovery',
    /not over IPv4, not over IPv6/,
    /curl -v http:/,
  ],
  ['no service', { services: [] }, 'info', 'discovery', /no discovery service/],
  [
    'another link has the port',
    {
      wireguard: {
        value: new Map([
          ['kubespan', deviceFact({ listenPort: 1 })],
          ['wg0', deviceFact({ fwmark: 0x20 })],
        ]),
      },
    },
    'error',
    'port',
    /WireGuard link wg0 listens on UDP 51820/,
    /listenPort/,
  ],
  [
    'another program has the port',
    { wireguard: { value: new Map() }, daemon: { value: undefined } },
    'error',
    'port',
    /another program/,
  ],
  [
    'who has the port is not to be seen',
    { wireguard: { problem: 'only root may look' } },
    'info',
    'port',
    /only root can tell/,
  ],
  ['no tunnel yet', { wireguard: { value: new Map() }, udpPorts: new Set() }, 'info', 'udp', /no tunnel yet/],
  [
    'no peer yet',
    { wireguard: { value: new Map([['kubespan', deviceFact({ peers: [] })]]) } },
    'info',
    'udp',
    /no peer with an endpoint/,
  ],
  [
    'nobody answers',
    {
      wireguard: {
        value: new Map([
          [
            'kubespan',
            deviceFact({
              peers: deviceFact().peers.map((peer) => ({
                ...peer,
                handshakeAge: undefined,
                endpoint: '[2001:db8::9]:1' as AddressPort,
              })),
            }),
          ],
        ]),
      },
    },
    'warning',
    'udp',
    /none of 1 peers answers over IPv6/,
    /tcpdump/,
  ],
  [
    'behind a NAT',
    { services: [serviceFact({ clientAddress: '198.51.100.1' as Address })] },
    'info',
    'nat',
    /seen as 198\.51\.100\.1/,
    /forward UDP 51820/,
  ],
  [
    'a firewall',
    { chains: { value: [{ family: 'ip', table: 'filter', name: 'INPUT', hook: 'input', policy: 'drop' }] } },
    'info',
    'firewall',
    /chain INPUT of table ip filter/,
    /nft insert rule ip filter INPUT udp dport 51820 accept/,
  ],
  [
    'strict reverse path filter',
    { sysctls: new Map([['ipv4/conf/all/rp_filter', '1']]) },
    'error',
    'rp_filter',
    /strict/,
    /rp_filter=2/,
  ],
  [
    'loose reverse path filter',
    { sysctls: new Map([['ipv4/conf/all/rp_filter', '2']]) },
    'info',
    'rp_filter',
    /loose/,
  ],
  [
    'somebody sets the filter back',
    { sysctls: new Map([['ipv4/conf/kubespan/rp_filter', '1']]) },
    'warning',
    'rp_filter',
    /sets it back/,
  ],
  [
    'pods are not forwarded',
    {
      settings: settingsOf(', advertiseKubernetesNetworks: true', ', podCIDRs: [10.244.1.0/24]'),
      sysctls: new Map([
        ['ipv4/ip_forward', '0'],
        ['ipv6/conf/all/forwarding', '0'],
      ]),
    },
    'warning',
    'forwarding',
    /net\.ipv4\.ip_forward is 0/,
    /sysctl -w net\.ipv4\.ip_forward=1/,
  ],
  [
    'a narrow uplink',
    { links: { value: [linkFact({ mtuBytes: 1450 })] } },
    'warning',
    'mtu',
    /eth0 carries 1450 bytes over IPv4/,
    /mtu: 1390/,
  ],
  [
    'a wide overlay',
    {
      links: {
        value: [linkFact(), linkFact({ name: 'vxlan7', kind: 'vxlan', mtuBytes: 1450, addresses: [] })],
      },
    },
    'warning',
    'mtu',
    /vxlan7 \(vxlan\) has an MTU of 1450/,
    /1370 or less/,
  ],
  [
    'marks in use',
    { rules: rule({ priority: 99, fwmark: '0x20', fwmask: '0xff', table: '7' }) },
    'error',
    'marks',
    /"99: fwmark 0x20\/0xff lookup 7 \(IPv4\)" looks at bits/,
    /fwmarkMask/,
  ],
  [
    'the mark of connections in use',
    { rules: rule({ priority: 1024, fwmark: '0x80', fwmask: '0x80', table: '254' }) },
    'warning',
    'marks',
    /bit 0x80 that we put on connections/,
    /conntrackMark/,
  ],
  [
    'a rule into our table',
    { rules: rule({ priority: 99, src: '10.0.0.0', srclen: 8, table: '180' }) },
    'error',
    'table',
    /leads into our table 180/,
  ],
  [
    'a rule that takes all',
    { rules: rule({ priority: 5270, table: '52' }) },
    'warning',
    'rules',
    /table 52 has a route for/,
    /rulePriority: 5260/,
  ],
  [
    'a rule that takes all but one mark',
    { rules: rule({ priority: 100, not: null, fwmark: '0xca6c', table: '51820' }) },
    'warning',
    'rules',
    /table 51820/,
  ],
  [
    'a rule in the way of a mesh that is there',
    {
      rules: rule({ priority: 100, suppress_prefixlen: 0, table: '254' }),
      routed: { destinations: ['198.18.0.2/32'] as Prefix[], sources: [] },
      ruleTables: [
        { family: 4, table: 254, routes: parseTableRoutes('[{"dst":"198.18.0.0/24","dev":"eth0"}]', 4) },
      ],
    },
    'error',
    'rules',
    /"100: lookup main suppress_prefixlength 0 \(IPv4\)" is asked before ours/,
    /rulePriority: 90\} in a NodeConfig, then kubespan reload/,
  ],
  [
    'marks that share our bits',
    { firewall: marks(0x1bd21) },
    'warning',
    'marks',
    /chain p of table inet nb sets bits of the packet mark that are ours \(0x20 of 0x60\)/,
    /fwmarkMask/,
  ],
  [
    'marks that are restored from connections',
    { firewall: marks({ ct: { key: 'mark' } }) },
    'warning',
    'marks',
    /gives packets the mark of their connection/,
    /nft -a list chain inet nb p/,
  ],
  [
    'marks that are taken away after ours were given',
    { firewall: marks(0, { type: 'route', hook: 'output', prio: 10 }) },
    'warning',
    'marks',
    /takes our mark away/,
    /nft insert rule inet nb p handle 2 meta mark and 0x60 == 0x40 return/,
  ],
  [
    'marks that a chain takes away which is only jumped to',
    { firewall: marks(0, { type: 'route', hook: 'output', prio: 10, jumped: 'j' }) },
    'warning',
    'marks',
    /chain j of table inet nb takes our mark away/,
  ],
  [
    'marks that nft does not show',
    { firewall: marks(null) },
    'info',
    'marks',
    /in a way that nft does not show/,
  ],
  ['rules cannot be read', { rules: { problem: 'ip: gone' } }, 'info', 'rules', /ip: gone/],
  [
    'a foreign route',
    { foreignRoutes: { value: ['10.0.0.0/8 dev eth0'] } },
    'warning',
    'table',
    /10\.0\.0\.0\/8 dev eth0/,
  ],
  [
    'a link that marks into the mesh',
    {
      wireguard: {
        value: new Map([
          ['kubespan', deviceFact()],
          ['wg0', deviceFact({ listenPort: 7, fwmark: 0xca4c })],
        ]),
      },
    },
    'error',
    'marks',
    /wg0 marks its packets 0xca4c, which sends them into the mesh/,
    /wg set wg0 fwmark 0xca0c/,
  ],
  [
    'a link with our own mark',
    {
      wireguard: {
        value: new Map([
          ['kubespan', deviceFact()],
          ['wg0', deviceFact({ listenPort: 7, fwmark: 0x20 })],
        ]),
      },
    },
    'info',
    'marks',
    /never enter the mesh/,
  ],
  [
    'another mesh',
    {
      wireguard: {
        value: new Map([
          ['kubespan', deviceFact()],
          ['wg0', deviceFact({ listenPort: 7, fwmark: 0 })],
        ]),
      },
    },
    'info',
    'wireguard links',
    /wg0 is another WireGuard link, on UDP 7/,
  ],
  [
    'a kubelet that may choose wrongly',
    { processes: [{ name: 'kubelet', args: ['/usr/bin/kubelet', '--v=2'] }] },
    'warning',
    'kubelet',
    /not told its node address/,
    /--node-ip=192\.0\.2\.7/,
  ],
]

for (const [name, change, severity, check, says, mend] of cases)
  test(name, () => {
    const found = notOk(facts(change)).filter((finding) => finding.check === check)
    assert.equal(found.length, 1, JSON.stringify(notOk(facts(change))))
    assert.equal(found[0]?.severity, severity)
    assert.match(found[0]?.says ?? '', says)
    if (mend !== undefined) assert.match(found[0]?.mend ?? '', mend)
  })

test('a service that accepts our proof of membership is said to', () => {
  const [, found] = checkServices(facts({ services: [serviceFact({ proof: { kind: 'accepted' } })] }))
  assert.equal(found?.severity, 'ok')
  assert.match(found?.says ?? '', /accepts our proof of membership/)
})

test('a service that is reached through a proxy is judged by the proxy', () => {
  const through = (change: Partial<ServiceFact>) =>
    checkServices(facts({ services: [serviceFact({ proxy: 'p.example:3128', ...change })] }))
  assert.match(through({})[0]?.says ?? '', /answers \(through the proxy p\.example:3128, IPv4 in 12 ms/)
  const [lost] = through({ nameProblem: 'ENOTFOUND' })
  assert.match(lost?.says ?? '', /the proxy p\.example:3128 cannot be resolved/)
  assert.equal(lost?.mend, 'getent ahosts p.example')
})

test('whose proxy services were tried through is said where it is not that of the daemon', () => {
  const says = (daemon: Facts['daemon']) => checkServices(facts({ daemon })).map((finding) => finding.says)
  assert.equal(says({ value: daemonView() }).length, 1)
  for (const daemon of [{ value: undefined }, { problem: 'permission denied' }])
    assert.match(says(daemon)[1] ?? '', /environment of this command, which names none/)
  const locked = serviceFact({ proxy: 'p.example:3128', hasHello: false, lacksCredentials: true })
  assert.match(
    checkServices(facts({ services: [locked] }))[0]?.says ?? '',
    /through the proxy p\.example:3128, whose credentials only the daemon has/,
  )
})

test('who has an address of our mesh network is in it by another way', () => {
  const [own] = diagnose(facts()).filter(({ check }) => check === 'mesh network')
  const prefix = /^(\S+)\/64/.exec(own?.says ?? '')?.[1] as Prefix | undefined
  const other = linkFact({ name: 'wg0', addresses: [{ address: `${prefix}7` as Address, bits: 64 }] })
  const found = notOk(facts({ links: { value: [linkFact(), other] } }))
  assert.match(found[0]?.says ?? '', /link wg0 has an address of our mesh network/)
})

test('what of this host is not published is named, and how to keep it', () => {
  const found = notOk(facts({ daemon: { value: daemonView({ leftOut: ['docker0', 'wg0'] }) } }))
  assert.deepEqual(
    found.map(({ check, severity, says }) => [check, severity, says]),
    [['addresses', 'info', 'left out: docker0, wg0; "kubespan explain self" says why']],
  )
})

test('what peers claim of what is local is named, with what its owner can do', () => {
  const prefix = '192.168.122.1/32' as Prefix
  const local = [{ prefix, what: 'gateway of eth0', claimed: [{ prefix, labels: ['worker-3'] }] }]
  const [finding] = checkLocal(facts({ daemon: { value: daemonView({ local }) } }))
  assert.equal(finding?.severity, 'warning')
  assert.match(finding?.says ?? '', /^worker-3 claims 192\.168\.122\.1\/32, .*gateway of eth0/)
  assert.match(finding?.mend ?? '', /excludeAdvertisedNetworks: \["192\.168\.122\.1\/32"\].* of worker-3$/)
})

test('containers that the mesh is not told of are named, where packets are forwarded', () => {
  const docker = linkFact({
    name: 'docker0',
    kind: 'bridge',
    addresses: [{ address: '172.17.0.1' as Address, bits: 16 }],
  })
  const links = { value: [linkFact(), docker] }
  const sysctls = new Map([['ipv4/ip_forward', '1']])
  const [finding] = checkForwardedSources(facts({ links, sysctls }))
  assert.match(finding?.says ?? '', /172\.17\.0\.0\/16 behind docker0 .* outside the tunnel/)
  assert.match(finding?.mend ?? '', /podCIDRs: \["172\.17\.0\.0\/16"\]/)
  assert.deepEqual(checkForwardedSources(facts({ links, sysctls: new Map() })), [])
  const oneLink = new Map([
    ['ipv4/ip_forward', '0'],
    ['ipv4/conf/docker0/forwarding', '1'],
  ])
  assert.equal(checkForwardedSources(facts({ links, sysctls: oneLink })).length, 1)
  const settings = settingsOf('', ', podCIDRs: ["172.17.0.0/16"]')
  assert.deepEqual(checkForwardedSources(facts({ links, sysctls, settings })), [])
})

test('neighbours are known by their processes or their links, with what is known of each', () => {
  const named = (change: Partial<Facts>) =>
    notOk(facts(change)).map(({ check, severity }) => `${severity} ${check}`)
  const withLink = (name: string) => ({ links: { value: [linkFact(), linkFact({ name, addresses: [] })] } })
  assert.deepEqual(named({ processes: [{ name: 'cilium-agent', args: [] }] }), ['info Cilium', 'info Cilium'])
  assert.deepEqual(named(withLink('cali0123456789a')), ['info Calico', 'info Calico'])
  assert.deepEqual(named(withLink('kube-bridge')), ['info kube-router'])
  assert.deepEqual(named(withLink('tailscale0')), ['info Tailscale'])
  assert.deepEqual(
    named({
      processes: [
        { name: 'netbird', args: [] },
        { name: 'kg', args: [] },
      ],
    }),
    ['info NetBird', 'info Kilo'],
  )
})

test('a kubelet that is told its address is fine; without forwarding of pods nothing needs to be forwarded', () => {
  assert.deepEqual(
    notOk(
      facts({
        processes: [{ name: 'k3s-server', args: ['--node-ip=192.0.2.7'] }],
        sysctls: new Map([['ipv4/ip_forward', '0']]),
      }),
    ),
    [],
  )
})

test('what is wrong comes first, each with what mends it, and nothing of it can drive a terminal', () => {
  const text = renderFindings(
    diagnose(
      facts({
        clock: { value: false },
        programs: new Set(['ip', 'wg']),
        daemon: { value: daemonView({ warnings: ['\u001b[2J'] }) },
      }),
    ),
  )
  assert.match(
    text,
    /^error +tools +nft is not installed\n +-> apt-get install nftables\nwarning +daemon +\\u001b\[2J\nwarning +clock /,
  )
  assert.match(text, /\n1 error, 2 warnings in \d+ findings\n$/)
})

test('marks that keep our bits, that are ours, or that come before ours are given, are in nobody’s way', () => {
  const harmless = [
    marks({ '|': [MARK, 0x80000] }, { hook: 'output', prio: 10 }),
    marks(0, { hook: 'output' }),
    marks(0, { hook: 'postrouting', prio: 10 }),
    marks(0x40, { table: 'openspan' }),
  ]
  for (const firewall of harmless)
    assert.deepEqual(
      diagnose(facts({ firewall })).filter(({ check }) => check === 'marks'),
      [],
    )
})

test('a mark that is taken away where nothing is routed anew is nothing to complain of', () => {
  for (const at of [{ jumped: '' }, { jumped: 'j' }])
    assert.deepEqual(notOk(facts({ firewall: marks(0, { hook: 'output', prio: 10, ...at }) })), [])
})
