import { parseConfig } from '../../kubespan/config/parse.ts'
import type { Facts, LinkFact, ServiceFact, WireGuardFact } from '../../kubespan/doctor/facts.ts'
import { parseRules } from '../../kubespan/model/policy-rule.ts'
import type { Settings } from '../../kubespan/model/settings.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import { daemonView } from './daemon-view.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')

/** The settings of a node with one discovery service; `node` is the text of a NodeConfig's fields. */
export function settingsOf(kubespan = '', node = ''): Settings {
  const { settings, problems } = parseConfig(
    'c.yaml',
    `{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: true ${kubespan}}
---
{apiVersion: v1alpha1, kind: DiscoveryServiceConfig, name: default, endpoint: "https://d.example"}
---
{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: abc, clusterSecret: "${SECRET}"}
---
{apiVersion: v1alpha1, kind: NodeConfig ${node}}
`,
    { hostname: 'box', operatingSystem: 'Debian (13)' },
  )
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return settings
}

export const linkFact = (change: Partial<LinkFact> = {}): LinkFact => ({
  name: 'eth0',
  kind: undefined,
  mtuBytes: 1500,
  isUp: true,
  addresses: [{ address: '192.0.2.7' as Address, bits: 24 }],
  ...change,
})

export const deviceFact = (change: Partial<WireGuardFact> = {}): WireGuardFact => ({
  publicKey: 'b3VyIGtleQ==',
  listenPort: 51820,
  fwmark: 0x20,
  peers: [
    {
      publicKey: 'cGVlciBrZXk=',
      endpoint: '192.0.2.9:51820' as AddressPort,
      allowedIps: ['10.0.0.2/32'] as Prefix[],
      handshakeAge: 5000,
      receiveBytes: 1,
      transmitBytes: 1,
    },
  ],
  ...change,
})

export const serviceFact = (change: Partial<ServiceFact> = {}): ServiceFact => ({
  proxy: undefined,
  lacksCredentials: false,
  name: 'default',
  endpoint: 'd.example:443',
  plaintext: false,
  nameProblem: undefined,
  helloProblem: undefined,
  hasHello: true,
  attempts: [
    { family: 4, address: '203.0.113.1' as Address, problem: undefined, milliseconds: 12.4 },
    { family: 6, address: '2001:db8::1' as Address, problem: undefined, milliseconds: 15 },
  ],
  clientAddress: '192.0.2.7' as Address,
  proof: undefined,
  ...change,
})

/** A healthy host with a running daemon, as the doctor sees it. */
export const facts = (change: Partial<Facts> = {}): Facts => ({
  config: { file: '/etc/kubespan/config.yaml', problem: undefined, warnings: [] },
  settings: settingsOf(),
  daemon: { value: daemonView() },
  programs: new Set(['ip', 'nft', 'wg']),
  privileges: { uid: 0, effective: 1n << 12n, ambient: 0n, bounding: 1n << 12n },
  kernelWireGuard: 'loaded',
  hasTun: true,
  links: {
    value: [linkFact(), linkFact({ name: 'kubespan', kind: 'wireguard', mtuBytes: 1420, addresses: [] })],
  },
  rules: {
    value: parseRules(
      JSON.stringify([
        { priority: 0, src: 'all', table: '255' },
        { priority: 32500, src: 'all', fwmark: '0x40', fwmask: '0x60', table: '180' },
        { priority: 32766, src: 'all', table: '254' },
      ]),
      4,
    ),
  },
  routed: undefined,
  ruleTables: [],
  foreignRoutes: { value: [] },
  uplinks: { value: [{ family: 4, dev: 'eth0' }] },
  wireguard: { value: new Map([['kubespan', deviceFact()]]) },
  chains: { value: [] },
  pathFilters: { value: [] },
  udpPorts: new Set([51820]),
  sysctls: new Map([
    ['ipv4/conf/all/rp_filter', '0'],
    ['ipv4/conf/kubespan/rp_filter', '0'],
    ['ipv4/ip_forward', '1'],
    ['ipv6/conf/all/forwarding', '1'],
  ]),
  processes: [],
  clock: { value: true },
  services: [serviceFact()],
  kubernetes: undefined,
  files: [],
  freeStateBytes: 1 << 30,
  now: 0,
  ...change,
})
