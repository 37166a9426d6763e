import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { parseConfig } from '../../../../kubespan/config/parse.ts'
import { MeshCounters } from '../../../../kubespan/controllers/counters.ts'
import { DiscoveryPool } from '../../../../kubespan/controllers/members/discovery-pool.ts'
import { MeshController } from '../../../../kubespan/controllers/mesh.ts'
import type { MeshHost } from '../../../../kubespan/controllers/mesh-host.ts'
import { describeDaemon } from '../../../../kubespan/controllers/view.ts'
import type { DesiredState } from '../../../../kubespan/model/desired.ts'
import type { Identity } from '../../../../kubespan/model/identity.ts'
import type { ObservedLink } from '../../../../kubespan/model/observed.ts'
import type { WireGuardPeer, WireGuardView } from '../../../../kubespan/model/peer.ts'
import type { Settings } from '../../../../kubespan/model/settings.ts'
import { NO_SURROUNDINGS, type Surroundings } from '../../../../kubespan/model/surroundings.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { type AddressPort, type Prefix, parseAddress } from '../../../../shared/net/address.ts'
import { affiliateOf } from '../../../support/affiliates.ts'
import { FakeDiscovery } from '../../../support/fake-discovery.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'

const SECRET = randomBytes(32).toString('base64')
const config = (extra = ''): Settings => {
  const { settings, problems } = parseConfig(
    'c.yaml',
    `kind: KubeSpanConfig
apiVersion: v1alpha1
enabled: true
${extra}
---
{apiVersion: v1alpha1, kind: DiscoveryServiceConfig, name: one, endpoint: "http://d.example"}
---
{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: abc, clusterSecret: "${SECRET}"}
`,
    { hostname: 'box', operatingSystem: 'Debian (13)' },
  )
  assert.deepEqual(problems, [])
  return settings
}

/** A host on which everything works: what was desired is what is there, and a test may make peers answer. */
class FakeMeshHost implements MeshHost {
  readonly #number: number
  desired: DesiredState | undefined
  applied = 0
  takenBack: string[] = []
  removed: string[] = []
  fault: Error | undefined
  warnings: readonly string[] = []
  hostName = (): string => 'box'
  readonly handshakes = new Map<string, number>()
  readonly affiliates: MeshHost['affiliates'] = { load: async () => [], save: async () => {} }
  readonly paths: MeshHost['paths'] = { load: async () => [], save: async () => {} }
  readonly placements: MeshHost['placements'] = { load: async () => [], save: async () => {} }

  constructor(number: number) {
    this.#number = number
  }
  async identity(): Promise<Identity> {
    const key = Buffer.alloc(32, this.#number).toString('base64')
    return {
      nodeId: `node${this.#number}`,
      publicKey: key,
      privateKey: 'none of the tests looks',
      address: this.sharedAddress ?? (parseAddress(`fd00::${this.#number}`) as Address),
      isMadeOfHardwareAddress: this.sharedAddress !== undefined,
      subnet: 'fd00::/64' as Prefix,
    }
  }
  /** Of a network card that another host has as well. */
  sharedAddress: Address | undefined
  givenUp = 0
  async giveAddressUp() {
    this.givenUp += 1
    this.sharedAddress = undefined
  }
  async links(): Promise<ObservedLink[]> {
    const address = parseAddress(`192.0.2.${this.#number}`) as Address
    return [
      {
        name: 'eth0',
        isUp: true,
        hasCarrier: true,
        isPhysical: true,
        mac: undefined,
        addresses: [{ address, bits: 24, scope: 'global' }],
      },
    ]
  }
  surrounding: Surroundings = NO_SURROUNDINGS
  async surroundings(): Promise<Surroundings> {
    return this.surrounding
  }
  addressesOf(names: readonly string[]) {
    return new Map(names.map((name) => [name, [parseAddress('203.0.113.53') as Address]]))
  }
  async wireguard(): Promise<WireGuardView | undefined> {
    if (this.desired === undefined) return undefined
    const peers = this.desired.peers.map((peer): WireGuardPeer => {
      const stamp = this.handshakes.get(peer.publicKey)
      return {
        publicKey: peer.publicKey,
        hasPresharedKey: true,
        endpoint: '192.0.2.2:51820' as AddressPort,
        allowedIps: peer.allowedIps,
        lastHandshakeAt: stamp,
        lastHandshakeStamp: stamp,
        receiveBytes: 0,
        transmitBytes: 0,
        keepaliveSeconds: 25,
      }
    })
    return {
      publicKey: undefined,
      listenPort: 51820,
      fwmark: 0x20,
      peers: new Map(peers.map((peer) => [peer.publicKey, peer])),
    }
  }
  async resetPeers() {}
  async kickPeers() {}
  async setEndpoints() {}
  async deafen() {}
  async echo() {
    return undefined
  }
  async apply(desired: DesiredState) {
    if (this.fault !== undefined) throw this.fault
    this.applied += 1
    const changes = JSON.stringify(desired) === JSON.stringify(this.desired) ? 0 : 1
    this.desired = desired
    return { changes, warnings: this.warnings }
  }
  async removeLink({ linkName }: { linkName: string }): Promise<boolean> {
    this.removed.push(linkName)
    this.desired = undefined
    return true
  }
  async removeGuards({ linkName }: { linkName: string }): Promise<void> {
    this.takenBack.push(linkName)
  }
  async takeBack({ linkName }: { linkName: string }): Promise<void> {
    this.takenBack.push(linkName)
    this.desired = undefined
  }
}

function world(number = 1, service = new FakeDiscovery(), clock = new ManualClock()) {
  const host = new FakeMeshHost(number)
  const lines: string[] = []
  const log = {
    info: (_: object, text: string) => void lines.push(text),
    warn: (_: object, text: string) => void lines.push(`! ${text}`),
  }
  const pool = new DiscoveryPool({ clock, random: () => 0.5, log, onChange: () => {}, dial: service.dial })
  const mesh = new MeshController(
    { host, pool, racer: async () => undefined, clock, log, onChange: () => {} },
    config(),
  )
  return { host, pool, mesh, service, clock, lines }
}
const quiet = async (): Promise<void> => {
  for (let turn = 0; turn < 6; turn++) await settle()
}

test('two nodes that know only the service plan each other as peers, and their states follow WireGuard', async () => {
  const one = world(1)
  const two = world(2, one.service, one.clock)
  await using _one = one.pool
  await using _two = two.pool
  for (const { mesh } of [one, two, one, two, one]) {
    await mesh.pass()
    await quiet()
  }
  const peer = one.host.desired?.peers[0]
  assert.deepEqual(peer?.allowedIps, ['192.0.2.2/32', 'fd00::2/128'])
  assert.deepEqual(one.host.desired?.routedV4, ['192.0.2.2/32'])
  assert.deepEqual(
    one.host.desired?.bypass?.destinations,
    ['203.0.113.53:80'],
    'the service is never behind its own mesh',
  )
  assert.deepEqual(one.mesh.memory.specs[0]?.endpoints, ['192.0.2.2:51820', '192.0.2.7:51820'])
  assert.equal(one.mesh.memory.statuses.get(peer?.publicKey ?? '')?.state, 'unknown')
  await one.clock.advance(1000)
  one.host.handshakes.set(peer?.publicKey ?? '', one.clock.now())
  await one.mesh.pass()
  assert.equal(one.mesh.memory.statuses.get(peer?.publicKey ?? '')?.state, 'up')
  assert.equal(one.lines.filter((line) => line === 'peer state changed').length, 2)
})

test('a quiet pass touches the host only when a whole look is due', async () => {
  const { host, mesh, pool, clock } = world()
  await using _ = pool
  await mesh.pass()
  await quiet()
  await mesh.pass()
  const before = host.applied
  assert.deepEqual(await mesh.pass(), { again: 30_000 })
  assert.equal(host.applied, before)
  await clock.advance(30_000)
  await mesh.pass()
  assert.equal(host.applied, before + 1)
  mesh.suspectDrift()
  await mesh.pass()
  assert.equal(host.applied, before + 2)
})

test('a warning of the host stands between two looks at it, and is logged when it comes', async () => {
  const { host, mesh, pool, clock, lines } = world()
  await using _ = pool
  host.warnings = ['rp_filter is strict']
  await mesh.pass()
  await quiet()
  await mesh.pass()
  const before = host.applied
  await mesh.pass()
  assert.equal(host.applied, before)
  assert.deepEqual(mesh.memory.warnings, ['rp_filter is strict'])
  await clock.advance(30_000)
  await mesh.pass()
  assert.equal(host.applied, before + 1)
  assert.equal(lines.filter((line) => line === '! rp_filter is strict').length, 1)
  host.warnings = []
  mesh.suspectDrift()
  await mesh.pass()
  assert.deepEqual(mesh.memory.warnings, [])
})

test('what happens to the host while a pass looks is seen by the next one', async () => {
  const { host, mesh, pool } = world()
  await using _ = pool
  await mesh.pass()
  await mesh.pass()
  const [link] = (await host.links()) as [ObservedLink]
  const moment = Promise.withResolvers<void>()
  const read = host.wireguard.bind(host)
  host.wireguard = async () => {
    await moment.promise
    return await read()
  }
  mesh.suspectDrift()
  const passing = mesh.pass()
  await quiet()
  host.links = async () => [link, { ...link, name: 'eth1' }]
  mesh.suspectDrift()
  moment.resolve()
  await passing
  assert.deepEqual(mesh.memory.links, [link])
  const before = host.applied
  await mesh.pass()
  assert.deepEqual(
    mesh.memory.links.map(({ name }) => name),
    ['eth0', 'eth1'],
  )
  assert.equal(host.applied, before + 1, 'the whole host may be another one')
})

test('a pass that failed is no reason to look no more', async () => {
  const { host, mesh, pool } = world()
  await using _ = pool
  await mesh.pass()
  await mesh.pass()
  const before = host.applied
  const read = host.wireguard.bind(host)
  host.wireguard = async () => {
    throw new Error('wg: busy')
  }
  mesh.suspectDrift()
  await assert.rejects(mesh.pass(), /wg: busy/)
  host.wireguard = read
  await mesh.pass()
  assert.equal(host.applied, before + 1)
})

test('what was learned last is in the cache some seconds later, and when the daemon ends at once', async () => {
  const one = world(1)
  const two = world(2, one.service, one.clock)
  const saved: string[][] = []
  one.host.affiliates.save = async (_settings, entries) =>
    void saved.push(entries.flatMap(({ affiliate }) => affiliate.addresses))
  await using _one = one.pool
  await using _two = two.pool
  const pass = async ({ mesh }: typeof one) => {
    const outcome = await mesh.pass()
    await quiet()
    return outcome
  }
  for (const node of [one, two, one, two, one]) await pass(node)
  await one.clock.advance(1_000)
  one.host.handshakes.set(one.host.desired?.peers[0]?.publicKey ?? '', one.clock.now())
  await pass(one)
  assert.deepEqual(saved.at(-1), ['192.0.2.2'])

  const renumber = async (address: string) => {
    const [link] = await two.host.links()
    assert.ok(link)
    two.host.links = async () => [
      { ...link, addresses: [{ address: address as Address, bits: 24, scope: 'global' }] },
    ]
    two.mesh.suspectDrift()
    for (const node of [two, two, one, one]) await pass(node)
  }
  await one.clock.advance(5_000)
  await renumber('192.0.2.3')
  assert.deepEqual(saved.at(-1), ['192.0.2.3'])
  await one.clock.advance(1_000)
  await renumber('192.0.2.4')
  assert.deepEqual(saved.at(-1), ['192.0.2.3'])
  assert.deepEqual(await pass(one), { again: 4_000 })
  await one.mesh[Symbol.asyncDispose]()
  assert.deepEqual(saved.at(-1), ['192.0.2.4'])
})

test('the path that works is in the memory when the daemon ends at once', async () => {
  const one = world(1)
  const two = world(2, one.service, one.clock)
  let saved: unknown
  one.host.paths.save = async (_settings, paths) => {
    saved = paths
  }
  await using _one = one.pool
  await using _two = two.pool
  for (const { mesh } of [one, two, one, two, one]) {
    await mesh.pass()
    await quiet()
  }
  const key = one.host.desired?.peers[0]?.publicKey ?? ''
  await one.clock.advance(1_000)
  one.host.handshakes.set(key, one.clock.now())
  await one.mesh.pass()
  assert.equal(saved, undefined)
  await one.mesh[Symbol.asyncDispose]()
  assert.deepEqual(saved, [['192.0.2.0/24', [[key, '192.0.2.2:51820']]]])
})

test('who is named while a pass runs is forgotten in the next one', async () => {
  const { host, mesh, pool, service } = world()
  await using _ = pool
  service.fault = new Error('unreachable')
  const affiliate = affiliateOf({ nodeId: 'gone', publicKey: 'key' })
  host.affiliates.load = async () => [{ affiliate, confirmedAt: 0 }]
  const apply = host.apply.bind(host)
  host.apply = async (desired) => {
    assert.deepEqual(mesh.forget('gone').nodeIds, ['gone'])
    return await apply(desired)
  }
  const retained = (): readonly string[] => mesh.memory.retained.map((one) => one.affiliate.nodeId)
  await mesh.pass()
  assert.deepEqual(retained(), ['gone'])
  host.apply = apply
  await mesh.pass()
  assert.deepEqual(retained(), [])
})

test('after changes that cause more the next look is soon, after others it is not', async () => {
  for (const [isUnsettled, again] of [
    [undefined, 100],
    [true, 100],
    [false, 30_000],
  ] as const) {
    const { host, mesh, pool } = world()
    await using _ = pool
    host.apply = async () => ({ changes: 1, warnings: [], ...(isUnsettled !== undefined && { isUnsettled }) })
    assert.deepEqual(await mesh.pass(), { again })
  }
})

test('an apply that failed is done again, and said', async () => {
  const { host, mesh, pool } = world()
  await using _ = pool
  host.fault = new Error('nft: busy')
  await assert.rejects(mesh.pass())
  assert.equal(mesh.memory.lastReconcile?.error, 'nft: busy')
  host.fault = undefined
  await mesh.pass()
  assert.equal(host.applied, 1)
})

test('enable, disable, enable: everything is taken back and comes again', async () => {
  const { host, mesh, pool } = world()
  await using _ = pool
  await mesh.pass()
  mesh.follow({ ...config(), enabled: false })
  assert.deepEqual(await mesh.pass(), {})
  await mesh.pass()
  assert.deepEqual(host.takenBack, ['kubespan'])
  assert.equal(mesh.memory.local?.kubespan.publicKey, '', 'no peer of anybody while disabled')
  mesh.follow(config())
  await mesh.pass()
  assert.notEqual(host.desired, undefined)
})

test('other names and numbers: the new ones are there, and the old ones are taken back', async () => {
  const { host, mesh, pool } = world()
  await using _ = pool
  await mesh.pass()
  const settings = config()
  mesh.follow({ ...settings, placement: { ...settings.placement, linkName: 'mesh0' } })
  await mesh.pass()
  assert.deepEqual([host.removed, host.takenBack], [['kubespan'], ['kubespan']])
  assert.equal(host.desired?.placement.linkName, 'mesh0')
})

test('the view shows all of it and no secret', async () => {
  const one = world(1)
  const two = world(2, one.service, one.clock)
  await using _one = one.pool
  await using _two = two.pool
  for (const { mesh } of [one, two, one]) {
    await mesh.pass()
    await quiet()
  }
  const view = describeDaemon({
    memory: one.mesh.memory,
    settings: config(),
    services: one.pool.statuses,
    version: 'v1',
    pid: 1,
    startedAt: 0,
    counters: new MeshCounters().view,
    config: { problem: undefined, refusals: 0 },
    hasLeft: false,
    clock: one.clock,
  })
  assert.deepEqual(
    view.affiliates.map(({ nodeId, isLocal, sources }) => [nodeId, isLocal, sources]),
    [
      ['node1', true, []],
      ['node2', false, ['service/one']],
    ],
  )
  assert.equal(view.members.length, 1, 'both are called box')
  assert.equal(view.peers[0]?.reason, 'waiting for an answer')
  assert.equal(view.services[0]?.connected, true)
  const text = JSON.stringify(view)
  for (const secret of [SECRET, 'none of the tests looks', '"abc"']) assert.ok(!text.includes(secret))
})

test('a host whose addresses changed speaks to its services anew; its own mesh link does not count', async () => {
  const { host, mesh, pool, service } = world()
  await using _ = pool
  const [link] = await host.links()
  const meshLink = { ...link, name: 'kubespan' } as ObservedLink
  await mesh.pass()
  await quiet()
  host.links = async () => [link as ObservedLink, meshLink]
  mesh.suspectDrift()
  await mesh.pass()
  await quiet()
  assert.equal(service.hellos, 1)
  host.links = async () => [{ ...(link as ObservedLink), name: 'wlan0' }]
  mesh.suspectDrift()
  await mesh.pass()
  await quiet()
  assert.equal(service.hellos, 2)
})

test('leaving names the services that did not answer', async () => {
  const { mesh, pool, service, clock } = world()
  await using _ = pool
  await mesh.pass()
  await quiet()
  const gone = pool.leave(1000)
  await quiet()
  await clock.advance(500)
  assert.deepEqual(await gone, [])
  assert.equal(service.affiliates.size, 0)
  const dead = world()
  dead.service.fault = new Error('unreachable')
  await using _dead = dead.pool
  await dead.mesh.pass()
  const leaving = dead.pool.leave(1000)
  await dead.clock.advance(1000)
  assert.deepEqual(await leaving, ['one'])
})

test('of two nodes with one mesh address the newcomer takes another, and a third tells of it', async () => {
  const one = world(1)
  const [two, three] = [2, 3].map((number) => world(number, one.service, one.clock))
  assert.ok(two && three)
  await using _one = one.pool
  await using _two = two.pool
  await using _three = three.pool
  const shared = 'fd00::5054:ff:fe12:3456' as Address
  one.host.sharedAddress = shared
  two.host.sharedAddress = shared
  const pass = async (...nodes: readonly (typeof one)[]) => {
    for (const node of [...nodes, ...nodes]) {
      for (const { publicKey } of node.host.desired?.peers ?? [])
        node.host.handshakes.set(publicKey, one.clock.now())
      await node.mesh.pass()
      await quiet()
    }
    await one.clock.advance(1_000)
  }
  for (let turn = 0; turn < 3; turn += 1) await pass(one, three)
  for (let turn = 0; turn < 60; turn += 1) await pass(one, two, three)
  assert.deepEqual([one.host.givenUp, two.host.givenUp], [0, 1])
  assert.equal(three.mesh.memory.specs.find(({ nodeId }) => nodeId === 'node2')?.address, 'fd00::2')
  const [conflict] =
    describeDaemon({
      ...{ memory: one.mesh.memory, settings: config(), services: [], version: 'v1', pid: 1, startedAt: 0 },
      ...{ hasLeft: false, counters: one.mesh.counters.view, clock: one.clock },
      config: { problem: undefined, refusals: 0 },
    }).identityConflicts ?? []
  assert.deepEqual([conflict?.kind, conflict?.isOwn, conflict?.isOver], ['address', true, true])
  assert.ok(
    one.lines.some((line) => line.startsWith('! this node and box (node2) have the same mesh address')),
  )
  assert.ok(two.mesh.memory.warnings.some((line) => line.includes('had the same mesh address')))
  assert.equal(two.lines.filter((line) => line.includes('made of its node id')).length, 1)
})

test('a name that comes late is followed, and what is none is never published', async () => {
  const one = world(1)
  await using _ = one.pool
  let called = 'localhost'
  one.host.hostName = () => called
  await one.mesh.pass()
  assert.equal(one.mesh.memory.local?.nodename, 'node-node1')
  assert.match(one.mesh.memory.warnings.join(), /this host has no name \(localhost\)/)
  called = 'worker-7'
  await one.mesh.pass()
  assert.equal(one.mesh.memory.local?.nodename, 'worker-7')
  assert.equal(one.mesh.memory.local?.hostname, 'worker-7')
  assert.deepEqual(one.mesh.memory.warnings, [])
})
