import assert from 'node:assert/strict'
import { cleanUp } from '../../kubespan/apply/cleanup.ts'
import { deafen } from '../../kubespan/apply/deaf-chain.ts'
import { type ApplyReport, applyDesiredState } from '../../kubespan/apply/desired-state.ts'
import { observeLink } from '../../kubespan/apply/link.ts'
import { NftTableKeeper, observeNftTable } from '../../kubespan/apply/nftables.ts'
import { observeRouting } from '../../kubespan/apply/routing.ts'
import type { Host } from '../../kubespan/host/host.ts'
import type { DesiredState } from '../../kubespan/model/desired.ts'
import { observeWireGuard } from '../../kubespan/sources/wireguard.ts'
import type { AddressPort, Prefix } from '../../shared/net/address.ts'
import { desiredOf, keyOf, OTHER_SECRETS, peerOf, peersOf, placementOf, SECRETS } from './desired-states.ts'
import { call, DRIFTS, nft } from './drifts.ts'

/** A host, real or not, that a case runs on. It begins with nothing of ours and its links `lo` only, or more. */
export interface Site {
  readonly host: Host
  /** Calls that were not only looks, so far. */
  readonly writes: readonly string[]
  /** Ends a userspace WireGuard in a way that lets it clean up nothing. */
  crash(linkName: string): Promise<void>
}

export interface HostCase {
  readonly name: string
  /** Of no meaning where the kernel has WireGuard itself: no process that can end stands behind a link there. */
  readonly isOfUserspace?: true
  run(site: Site): Promise<void>
}

/** Observe and apply, as the daemon does. */
export async function bringInLine(
  host: Host,
  desired: DesiredState,
  secrets = SECRETS,
): Promise<ApplyReport> {
  const view = await observeWireGuard(host, desired.placement.linkName, secrets.presharedKey)
  const nftTable = tables.get(host) ?? new NftTableKeeper()
  tables.set(host, nftTable)
  return await applyDesiredState(host, desired, secrets, { view, nftTable })
}
/** What a daemon on each host remembers. */
const tables = new WeakMap<Host, NftTableKeeper>()

/** Everything that the daemon is answerable for, in a form that compares. */
async function picture(host: Host): Promise<unknown> {
  const placement = placementOf()
  const [link, routing, table, view] = await Promise.all([
    observeLink(host, placement.linkName),
    observeRouting(host, placement, [4, 6]),
    observeNftTable(host, placement.nftTable),
    observeWireGuard(host, placement.linkName, SECRETS.presharedKey),
  ])
  const text = (value: unknown): string => JSON.stringify(value)
  return {
    // The kernel adds a link-local address of its own.
    link: link && {
      ...link,
      addresses: link.addresses
        .filter(({ address }) => !address.startsWith('fe80'))
        .map(text)
        .sort(),
    },
    rules: routing.rules.map(text).sort(),
    routes: routing.routes.map(text).sort(),
    sets:
      table &&
      [...table.sets].map(([name, set]) => [name, set.type, set.isInterval, set.elements.toSorted()]),
    chains: table && [...table.chains].sort(([a], [b]) => a.localeCompare(b)),
    device: view && [view.publicKey, view.listenPort, view.fwmark],
    peers:
      view &&
      [...view.peers.values()]
        .map((peer) => ({
          publicKey: peer.publicKey,
          endpoint: peer.endpoint,
          hasPresharedKey: peer.hasPresharedKey,
          keepaliveSeconds: peer.keepaliveSeconds,
          allowedIps: peer.allowedIps.toSorted(),
        }))
        .sort((a, b) => a.publicKey.localeCompare(b.publicKey)),
  }
}

/** The same host as a plain value, of which parts can be replaced. */
const boundHost = (host: Host): Host => ({
  clock: host.clock,
  run: (...call) => host.run(...call),
  runOften: (tool, args) => host.runOften(tool, args),
  hasStarted: (pid) => host.hasStarted(pid),
  stream: (...call) => host.stream(...call),
  spawnDetached: (...call) => host.spawnDetached(...call),
  readSetting: (path) => host.readSetting(path),
  listSettings: (directory) => host.listSettings(directory),
  writeSetting: (...call) => host.writeSetting(...call),
  hasSocket: (name) => host.hasSocket(name),
  isSocketAnswered: (name) => host.isSocketAnswered(name),
  removeSocket: (name) => host.removeSocket(name),
  tcpSockets: () => host.tcpSockets(),
  limitLog: (name) => host.limitLog(name),
  lastLogLine: (name) => host.lastLogLine(name),
})

async function mustBeQuiet(site: Site, desired: DesiredState): Promise<void> {
  const before = site.writes.length
  const report = await bringInLine(site.host, desired)
  assert.equal(report.count, 0, JSON.stringify(report))
  assert.deepEqual(site.writes.slice(before), [], 'a pass with nothing to do starts no process that writes')
}

const driftCases = Object.entries(DRIFTS).map(
  ([name, drift]): HostCase => ({
    name: `drift: ${name}`,
    async run(site) {
      const { host } = site
      const desired = desiredOf(peersOf(3))
      await bringInLine(host, desired)
      const before = await picture(host)
      await drift(host)
      assert.notDeepEqual(await picture(host), before, 'the drift shows')
      const report = await bringInLine(host, desired)
      assert.ok(report.count > 0)
      assert.deepEqual(await picture(host), before)
      await mustBeQuiet(site, desired)
    },
  }),
)

export const HOST_CASES: readonly HostCase[] = [
  {
    name: 'a host without anything gets everything, and the second pass finds nothing to do',
    async run(site) {
      const desired = desiredOf(peersOf(3))
      const report = await bringInLine(site.host, desired)
      assert.deepEqual(report.warnings, [])
      assert.equal(report.wireguard.filter(({ action }) => action === 'add').length, 3)
      await mustBeQuiet(site, desired)
    },
  },
  ...driftCases,
  {
    name: 'a mesh without peers marks nothing but its own prefix',
    async run(site) {
      const desired = desiredOf([])
      await bringInLine(site.host, desired)
      const table = await observeNftTable(site.host, 'openspan')
      assert.deepEqual(table?.sets.get('routed_v4')?.elements, [])
      assert.deepEqual(table?.sets.get('routed_v6')?.elements, ['fd11:2233:4455:6602::/64'])
      await mustBeQuiet(site, desired)
    },
  },
  {
    name: 'while nobody has said who is in the mesh, what went into the tunnel goes nowhere else',
    async run(site) {
      const { host } = site
      const sets = async () => {
        const table = await observeNftTable(host, 'openspan')
        return ['routed_v4', 'routed_v6'].map((name) => table?.sets.get(name)?.elements.toSorted())
      }
      const nobody = desiredOf([], { isProvisional: true })
      await bringInLine(host, nobody)
      const none = await sets()
      await bringInLine(host, desiredOf(peersOf(2)))
      const both = await sets()
      await mustBeQuiet(site, nobody)
      assert.deepEqual(await sets(), both)
      assert.equal((await observeWireGuard(host, 'kubespan'))?.peers.size, 2, 'tunnels that stand')
      // Within a prefix that is there, and beside it.
      const known = peerOf(3, { allowedIps: ['10.100.0.0/16', '10.200.0.0/16'] as Prefix[] })
      const some = desiredOf([known], { isProvisional: true })
      await bringInLine(host, some)
      const held = await sets()
      const nodes = ['198.18.0.1', '198.18.0.2']
      assert.deepEqual(held, [['10.100.0.0/16', '10.200.0.0/16', ...nodes], both[1]])
      await mustBeQuiet(site, some)
      // With another key no tunnel stands, but what was for the mesh is so still.
      await bringInLine(host, nobody, OTHER_SECRETS)
      assert.equal((await observeWireGuard(host, 'kubespan'))?.peers.size, 0)
      assert.deepEqual(await sets(), held)
      await bringInLine(host, desiredOf([]))
      assert.deepEqual(await sets(), none)
    },
  },
  {
    name: 'port, mark and key stay as they are through many changes of peers',
    async run({ host }) {
      await bringInLine(host, desiredOf(peersOf(2)))
      for (let round = 0; round < 25; round += 1) {
        const desired = desiredOf(peersOf(1 + ((round * 7) % 10)))
        await bringInLine(host, desired)
        const view = await observeWireGuard(host, 'kubespan')
        assert.equal(view?.listenPort, 51820)
        assert.equal(view?.fwmark, 0x20)
        assert.equal(view?.publicKey, SECRETS.publicKey)
        assert.equal(view?.peers.size, desired.peers.length)
      }
    },
  },
  {
    name: 'an endpoint is written when there is one to write, and else left alone',
    async run(site) {
      const { host } = site
      const roamed = '192.0.2.99:4500' as AddressPort
      await bringInLine(host, desiredOf([peerOf(1, { endpoint: roamed })]))
      const kept = desiredOf([peerOf(1, { endpoint: undefined, allowedIps: ['10.5.0.0/24' as Prefix] })])
      assert.equal((await bringInLine(host, kept)).wireguard.length, 1)
      const view = await observeWireGuard(host, 'kubespan')
      assert.equal(view?.peers.get(keyOf(1))?.endpoint, roamed)
      await mustBeQuiet(site, kept)
      await bringInLine(host, desiredOf([peerOf(1)]))
      const after = await observeWireGuard(host, 'kubespan')
      assert.equal(after?.peers.get(keyOf(1))?.endpoint, peerOf(1).endpoint)
    },
  },
  {
    name: 'allowed IPs move, swap, and go to the new key of the same node',
    async run(site) {
      const [x, y] = ['10.1.0.0/24', '10.2.0.0/24'] as Prefix[]
      if (x === undefined || y === undefined) return
      const steps = [
        [peerOf(1, { allowedIps: [x, y] }), peerOf(2, { allowedIps: [] })],
        [peerOf(1, { allowedIps: [y] }), peerOf(2, { allowedIps: [x] })],
        [peerOf(1, { allowedIps: [x] }), peerOf(2, { allowedIps: [y] })],
        [peerOf(3, { allowedIps: [x] }), peerOf(2, { allowedIps: [y] })],
      ]
      for (const peers of steps) {
        const desired = desiredOf(peers, { routedV4: [x, y] })
        await bringInLine(site.host, desired)
        await mustBeQuiet(site, desired)
      }
    },
  },
  {
    name: 'where IPv6 is off and settings are read-only, IPv4 works, IPv6 goes nowhere, and one line says why',
    async run(site) {
      for (const name of ['all', 'default'])
        await site.host.writeSetting(`ipv6/conf/${name}/disable_ipv6`, '1')
      const host: Host = { ...boundHost(site.host), writeSetting: async () => false }
      const desired = desiredOf(peersOf(2))
      const first = await bringInLine(host, desired)
      assert.equal(first.warnings.length, 1)
      assert.match(
        first.warnings[0] ?? '',
        /net\.ipv6\.conf\.kubespan\.disable_ipv6 is 1 .* IPv4 through the mesh does/,
      )
      await mustBeQuiet({ ...site, host, writes: site.writes }, desired)
      assert.equal((await observeWireGuard(host, 'kubespan'))?.peers.size, 2)
      const { routes } = await observeRouting(host, placementOf(), [4, 6])
      assert.deepEqual(routes.map(({ family, dev }) => `${family} ${dev ?? 'unreachable'}`).sort(), [
        '4 kubespan',
        '4 unreachable',
        '6 unreachable',
      ])
      for (const name of ['all', 'default'])
        await site.host.writeSetting(`ipv6/conf/${name}/disable_ipv6`, '0')
    },
  },
  {
    name: 'a peer that WireGuard refuses does not keep the others out',
    async run({ host }) {
      const zoned = peerOf(2, { endpoint: '[fe80::1%nowhere]:51820' as AddressPort })
      const zero = peerOf(3, { publicKey: `${'A'.repeat(43)}=` })
      const own = peerOf(4, { publicKey: SECRETS.publicKey })
      const bad = peerOf(5, { publicKey: 'no key' })
      const report = await bringInLine(host, desiredOf([peerOf(1), zoned, zero, own, bad]))
      const view = await observeWireGuard(host, 'kubespan')
      assert.deepEqual([...(view?.peers.keys() ?? [])].sort(), [keyOf(1), keyOf(2)].sort())
      assert.equal(report.warnings.length, 3)
      const poisoned = peerOf(7, { allowedIps: ['10.0.0.0/99' as Prefix] })
      const second = await bringInLine(
        host,
        desiredOf([peerOf(1), poisoned, peerOf(8)], { routedV4: [], routedV6: [] }),
      )
      assert.ok((await observeWireGuard(host, 'kubespan'))?.peers.has(keyOf(8)))
      assert.match(second.warnings.join(), new RegExp(`peer ${keyOf(7).replaceAll('+', '\\+')}: wg addconf`))
    },
  },
  {
    name: 'odd prefixes come back as they were given',
    async run(site) {
      const routedV4 = ['0.0.0.0/1', '128.0.0.0/2', '255.255.255.255/32'] as Prefix[]
      const routedV6 = ['::/128', '::1.2.3.4/128', '::ffff:1.2.3.4/128', 'ff00::/8'] as Prefix[]
      const canonical = routedV6.map((prefix) => prefix.replace('::1.2.3.4', '::102:304')) as Prefix[]
      const peers = [peerOf(1, { allowedIps: [...routedV4, ...canonical] })]
      const desired = desiredOf(peers, { routedV4, routedV6: canonical })
      await bringInLine(site.host, desired)
      await mustBeQuiet(site, desired)
      const all = desiredOf([peerOf(1, { allowedIps: ['0.0.0.0/0', '::/0'] as Prefix[] })], {
        routedV4: ['0.0.0.0/0' as Prefix],
        routedV6: ['::/0' as Prefix],
      })
      await bringInLine(site.host, all)
      await mustBeQuiet(site, all)
    },
  },
  {
    name: 'prefixes become wider ones and narrower ones, and no second set stays',
    async run(site) {
      for (const prefix of [
        '10.1.0.0/16',
        '10.0.0.0/8',
        '10.1.2.0/24',
        '0.0.0.0/0',
        '10.0.0.0/9',
      ] as Prefix[]) {
        const routedV6 = (prefix.endsWith('/8') ? ['2001:db8::/32'] : ['2001:db8:1::/48']) as Prefix[]
        const desired = desiredOf([peerOf(1, { allowedIps: [prefix] })], { routedV4: [prefix], routedV6 })
        await bringInLine(site.host, desired)
        const table = await observeNftTable(site.host, 'openspan')
        assert.deepEqual(table?.sets.get('routed_v4')?.elements, [prefix])
        assert.ok(![...table.sets.keys()].some((name) => name.endsWith('_cover')))
        await mustBeQuiet(site, desired)
      }
    },
  },
  {
    name: 'what may pass the tunnel by comes and goes',
    async run(site) {
      const peers = peersOf(2)
      const destinations = ['192.0.2.7:443', '[2001:db8::7]:3000'] as AddressPort[]
      for (const localPorts of [[3000], [], [3000, 3001]]) {
        const desired = desiredOf(peers, { bypass: { destinations, localPorts, conntrackMark: 0x80 } })
        await bringInLine(site.host, desired)
        const table = await observeNftTable(site.host, 'openspan')
        assert.deepEqual(table?.sets.get('bypass_v4')?.elements, ['192.0.2.7 . 443'])
        assert.deepEqual(table?.sets.get('bypass_v6')?.elements, ['2001:db8::7 . 3000'])
        assert.equal(table?.chains.has('kubespan_inbound'), localPorts.length > 0)
        await mustBeQuiet(site, desired)
      }
      await bringInLine(site.host, desiredOf(peers))
      await mustBeQuiet(site, desiredOf(peers))
    },
  },
  {
    name: 'being deaf to somebody for a while is no drift, and leaves nothing',
    async run(site) {
      const { host } = site
      const desired = desiredOf(peersOf(1))
      const placement = placementOf()
      const sources = ['203.0.113.7:51820', '[2001:db8::7]:1024'] as AddressPort[]
      await assert.rejects(deafen(host, placement, sources), 'without our table')
      await bringInLine(host, desired)
      const before = await picture(host)
      await deafen(host, placement, sources)
      await deafen(host, placement, sources.slice(1))
      await mustBeQuiet(site, desired)
      assert.match(await host.run('nft', ['list', 'table', 'inet', 'openspan']), /2001:db8::7 \. 1024/)
      await deafen(host, placement, [])
      assert.deepEqual(await picture(host), before)
    },
  },
  {
    name: 'another MTU reaches link, routes and clamping',
    async run(site) {
      await bringInLine(site.host, desiredOf(peersOf(1)))
      const desired = desiredOf(peersOf(1), { mtuBytes: 1300 })
      const { link, routing, nftables } = await bringInLine(site.host, desired)
      assert.deepEqual([link.length, nftables.length], [1, 2])
      assert.ok(routing.length > 0, 'IPv6 routes follow a smaller MTU of their link by themselves')
      await mustBeQuiet(site, desired)
    },
  },
  {
    name: 'loose reverse path filtering gets the link an address, for as long as it is there',
    async run(site) {
      const { host } = site
      const desired = desiredOf(peersOf(1))
      await host.writeSetting('ipv4/conf/all/rp_filter', '2')
      await host.writeSetting('ipv4/conf/default/rp_filter', '2')
      await bringInLine(host, desired)
      assert.equal(await host.readSetting('ipv4/conf/kubespan/rp_filter'), '0')
      const loose = await observeLink(host, 'kubespan')
      assert.ok(loose?.addresses.some(({ address, bits }) => address === '169.254.180.1' && bits === 32))
      await mustBeQuiet(site, desired)
      await host.writeSetting('ipv4/conf/all/rp_filter', '0')
      await bringInLine(host, desired)
      const off = await observeLink(host, 'kubespan')
      assert.ok(!off?.addresses.some(({ address }) => address === '169.254.180.1'))
      await mustBeQuiet(site, desired)
      await host.writeSetting('ipv4/conf/all/rp_filter', '1')
      assert.match((await bringInLine(host, desired)).warnings.join(), /all\.rp_filter is 1 \(strict\)/)
    },
  },
  {
    name: 'IPv6 that is turned off for new links is turned on for ours',
    async run(site) {
      await site.host.writeSetting('ipv6/conf/default/disable_ipv6', '1')
      const desired = desiredOf(peersOf(1))
      await bringInLine(site.host, desired)
      await mustBeQuiet(site, desired)
    },
  },
  {
    name: 'what others made survives, also in places that are ours',
    async run({ host, writes }) {
      const foreign = [
        'ip -4 rule add priority 100 fwmark 0x1/0x1 table 7',
        'ip -4 rule add priority 32500 fwmark 0x40/0xf0 table 180',
        'ip link add dev other type bridge',
      ]
      for (const line of foreign) await call(host, line)
      await nft(host, 'add table inet others\nadd chain inet others kubespan_outgoing')
      const desired = desiredOf(peersOf(2))
      await bringInLine(host, desired)
      await call(host, 'ip -4 route add 10.99.0.0/16 dev lo table 180')
      await call(host, 'ip address add 10.98.0.1/24 dev kubespan')
      await nft(host, 'add chain inet openspan theirs')
      await bringInLine(host, desiredOf(peersOf(3)))
      assert.ok((await observeNftTable(host, 'openspan'))?.chains.has('theirs'))
      const link = await observeLink(host, 'kubespan')
      assert.ok(link?.addresses.some(({ address }) => address === '10.98.0.1'))
      await mustBeQuiet({ host, writes, crash: async () => undefined }, desiredOf(peersOf(3)))
      await cleanUp(host, placementOf())
      const rules = JSON.parse(await call(host, 'ip -json -N -4 rule show')) as { fwmark?: string }[]
      assert.equal(rules.filter(({ fwmark }) => fwmark !== undefined).length, 2)
      const routes = JSON.parse(await call(host, 'ip -json -4 route show table 180')) as object[]
      assert.equal(routes.length, 1)
      assert.ok(await observeLink(host, 'other'))
      assert.ok((await observeNftTable(host, 'others'))?.chains.has('kubespan_outgoing'))
    },
  },
  {
    name: 'cleaning up leaves nothing, and a second time does nothing',
    async run({ host, writes }) {
      const nothing = await picture(host)
      await bringInLine(host, desiredOf(peersOf(2)))
      const report = await cleanUp(host, placementOf())
      assert.ok(report.changes.length > 0)
      assert.deepEqual(await picture(host), nothing)
      assert.equal(await host.hasSocket('kubespan'), false)
      const before = writes.length
      assert.deepEqual(await cleanUp(host, placementOf()), { changes: [], warnings: [] })
      assert.equal(writes.length, before)
    },
  },
  {
    name: 'what a crash of everything left behind is found, both by a new start and by cleaning up',
    isOfUserspace: true,
    async run(site) {
      const { host } = site
      const nothing = await picture(host)
      const desired = desiredOf(peersOf(2))
      await bringInLine(host, desired)
      await site.crash('kubespan')
      assert.equal(await host.hasSocket('kubespan'), true)
      await bringInLine(host, desired)
      await mustBeQuiet(site, desired)
      await site.crash('kubespan')
      await cleanUp(host, placementOf())
      assert.deepEqual(await picture(host), nothing)
      assert.equal(await host.hasSocket('kubespan'), false)
    },
  },
  {
    name: 'a link of our name that is no WireGuard link is an error, and left alone',
    async run({ host }) {
      await call(host, 'ip link add dev kubespan type bridge')
      await assert.rejects(bringInLine(host, desiredOf([])), /kubespan exists \(bridge\) but is no WireGuard/)
      const { warnings } = await cleanUp(host, placementOf())
      assert.equal(warnings.length, 1)
      assert.ok(await observeLink(host, 'kubespan'))
    },
  },
]
