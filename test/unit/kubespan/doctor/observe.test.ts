import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KUBERNETES_DEFAULTS } from '../../../../kubespan/config/kubernetes.ts'
import { observeFacts } from '../../../../kubespan/doctor/observe.ts'
import { ProxySettings } from '../../../../kubespan/model/proxy.ts'
import { ApiError } from '../../../../kubespan/sources/kubernetes/api.ts'
import { daemonView } from '../../../support/daemon-view.ts'
import { settingsOf } from '../../../support/doctor-facts.ts'
import { FakeDoctorWorld } from '../../../support/doctor-world.ts'

const KEY = Buffer.alloc(32, 3).toString('base64')
const fact = { file: '/etc/kubespan/config.yaml', problem: undefined, warnings: [] }
const look = (world: FakeDoctorWorld, node = '') =>
  observeFacts(world, { fact, settings: settingsOf('', node) })

/** What the tools of a host with a mesh and a Tailscale print. */
function machine(): FakeDoctorWorld {
  const world = new FakeDoctorWorld()
  const say = (command: string, answer: string): void => void world.tools.set(command, answer)
  say(
    'ip -json -details address show',
    JSON.stringify([
      {},
      { ifname: 'lo', flags: ['UP'], mtu: 65_536, addr_info: [{ local: '127.0.0.1', prefixlen: 8 }] },
      {
        ifname: 'eth0',
        flags: ['UP', 'LOWER_UP'],
        mtu: 1500,
        addr_info: [{ local: '192.0.2.7', prefixlen: 24 }, { local: 'odd' }],
      },
      { ifname: 'kubespan', flags: [], mtu: 1420, linkinfo: { info_kind: 'wireguard' } },
    ]),
  )
  say(
    'ip -json -N -4 rule show',
    '[{"priority":0,"src":"all","table":"255"},{},{"priority":5270,"src":"all","table":"52"}]',
  )
  say('ip -json -N -6 rule show', '')
  say(
    'ip -json -4 route show table 180',
    '[{"dst":"default","dev":"kubespan","metric":1},{"type":"unreachable","dst":"default","metric":4294967295},{"dst":"10.0.0.0/8","gateway":"192.0.2.1","dev":"eth0"}]',
  )
  say('ip -json -6 route show table 180', 'fails: Error: ipv6: FIB table does not exist.')
  say(
    'ip -json -4 route show table 254',
    '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"default","dev":"eth0","metric":9},{"dst":"192.0.2.0/24","dev":"eth0"}]',
  )
  say('ip -json -6 route show table 254', '[]')
  say(
    'wg show all dump',
    `kubespan\t(none)\t${KEY}\t51820\t0x20\nkubespan\t${KEY}\t(none)\t192.0.2.9:51820\t10.0.0.2/32\t0\t1\t2\t25\nwg0\t(none)\t${KEY}\t7\toff\n`,
  )
  say(
    'nft -j list chains',
    '{"nftables":[{"metainfo":{}},{"chain":{"family":"ip","table":"filter","name":"INPUT","hook":"input","policy":"drop"}}]}',
  )
  say('timedatectl show --property=NTPSynchronized --value', 'yes\n')
  world.files.set('/proc/net/udp', '   sl  local_address\n 2657: 00000000:CA6C 00000000:0000 07\n')
  world.files.set(
    '/proc/net/udp6',
    '   sl  local_address\n  1: 00000000000000000000000000000000:14E9 0000:0000 07\n',
  )
  world.files.set('/proc/1/comm', 'systemd\n')
  world.files.set('/proc/77/comm', 'kubelet\n')
  world.files.set('/proc/77/cmdline', '/usr/bin/kubelet\0--v=2\0')
  world.files.set('/proc/sys/kernel/osrelease', '6.12.1\n')
  world.files.set('/lib/modules/6.12.1/modules.dep', 'kernel/drivers/net/wireguard/wireguard.ko.xz: x\n')
  world.stats.set('/dev/net/tun', { mode: 0o20666, uid: 0, isDirectory: false })
  world.stats.set('/var/lib/kubespan', { mode: 0o40700, uid: 0, isDirectory: true })
  world.names.set('d.example', ['203.0.113.1', '2001:db8::1'])
  world.answering.set('203.0.113.1', 10)
  return world
}

test('everything is observed once', async () => {
  const facts = await look(machine())
  assert.deepEqual(
    'value' in facts.links &&
      facts.links.value.map(({ name, kind, mtuBytes, isUp, addresses }) => [
        name,
        kind,
        mtuBytes,
        isUp,
        addresses.length,
      ]),
    [
      ['lo', undefined, 65_536, true, 1],
      ['eth0', undefined, 1500, true, 1],
      ['kubespan', 'wireguard', 1420, false, 0],
    ],
  )
  assert.deepEqual('value' in facts.rules && facts.rules.value.map(({ priority }) => priority), [0, 5270])
  assert.deepEqual(facts.foreignRoutes, { value: ['10.0.0.0/8 via 192.0.2.1 dev eth0'] })
  assert.deepEqual(facts.uplinks, { value: [{ family: 4, dev: 'eth0' }] })
  assert.ok('value' in facts.wireguard)
  assert.deepEqual([...facts.wireguard.value.keys()], ['kubespan', 'wg0'])
  assert.equal(facts.wireguard.value.get('kubespan')?.peers[0]?.endpoint, '192.0.2.9:51820')
  assert.equal('value' in facts.chains && facts.chains.value[0]?.policy, 'drop')
  assert.deepEqual([...facts.udpPorts], [0xca6c, 0x14e9])
  assert.deepEqual(facts.processes, [
    { name: 'systemd', args: [] },
    { name: 'kubelet', args: ['/usr/bin/kubelet', '--v=2'] },
  ])
  assert.deepEqual(facts.clock, { value: true })
  assert.equal(facts.kernelWireGuard, 'loaded', 'there is a link of its kind')
  assert.equal(facts.hasTun, true)
  assert.deepEqual(
    facts.files.map(({ what, stat }) => [what, stat !== undefined]),
    [
      ['configuration', false],
      ['state directory', true],
      ['identity', false],
      ['identity', false],
      ['run directory', false],
    ],
  )
})

test('a machine without a device for tunnels has none', async () => {
  const world = machine()
  world.stats.delete('/dev/net/tun')
  assert.equal((await look(world)).hasTun, false)
})

test('services are tried by name and by each address', async () => {
  const world = machine()
  const [service] = (await look(world)).services
  assert.deepEqual(
    service?.attempts.map(({ family, problem }) => [family, problem]),
    [
      [4, undefined],
      [6, 'ECONNREFUSED'],
    ],
  )
  assert.deepEqual(
    [service?.clientAddress, service?.helloProblem, service?.hasHello],
    ['192.0.2.7', undefined, true],
  )
  world.helloAnswer = new Error('UNAVAILABLE')
  world.names.clear()
  const [lost] = (await look(world)).services
  assert.match(lost?.nameProblem ?? '', /ENOTFOUND d\.example/)
  world.names.set('d.example', ['203.0.113.1'])
  assert.equal((await look(world)).services[0]?.helloProblem, 'UNAVAILABLE')
})

test('of a service behind a proxy, the proxy is tried', async () => {
  const world = machine()
  world.names.set('p.example', ['192.0.2.99'])
  world.answering.set('192.0.2.99', 3)
  const proxy = ProxySettings.fromEnvironment({ HTTPS_PROXY: 'http://p.example:3128' })
  assert.ok(proxy instanceof ProxySettings)
  world.names.delete('d.example')
  const [service] = (await observeFacts(world, { fact, settings: { ...settingsOf(), proxy } })).services
  assert.deepEqual(
    [
      service?.proxy,
      service?.nameProblem,
      service?.attempts.map(({ address, problem }) => [address, problem]),
    ],
    ['p.example:3128', undefined, [['192.0.2.99', undefined]]],
  )
})

test('the API server is asked where the registry is on', async () => {
  const world = machine()
  const kubernetes = { ...KUBERNETES_DEFAULTS, nodeName: undefined, enabled: true }
  const ask = async () =>
    (await observeFacts(world, { fact, settings: { ...settingsOf(), kubernetes } })).kubernetes
  assert.equal((await look(world)).kubernetes, undefined)
  world.nodes = ['a', 'b']
  const answer = { endpoint: '192.0.2.6:6443', nodes: 2, problem: undefined, isForbidden: false }
  assert.deepEqual(await ask(), answer)
  world.nodes = new ApiError(403, 'nodes is forbidden')
  assert.deepEqual(await ask(), { ...answer, nodes: 0, problem: 'nodes is forbidden', isForbidden: true })
  world.nodes = new Error('ECONNREFUSED')
  assert.equal((await ask())?.isForbidden, false)
})

test('where the kernel has WireGuard is found without loading it', async () => {
  const world = machine()
  world.tools.set('ip -json -details address show', '[]')
  assert.equal((await look(world)).kernelWireGuard, 'available')
  world.files.set('/lib/modules/6.12.1/modules.builtin', 'kernel/drivers/net/wireguard/wireguard.ko\n')
  assert.equal((await look(world)).kernelWireGuard, 'loaded')
  world.files.delete('/lib/modules/6.12.1/modules.dep')
  world.files.set('/lib/modules/6.12.1/modules.builtin', 'kernel/drivers/net/tun.ko\n')
  assert.equal((await look(world)).kernelWireGuard, 'absent')
  world.files.delete('/lib/modules/6.12.1/modules.builtin')
  assert.equal((await look(world)).kernelWireGuard, 'unknown')
  world.stats.set('/sys/module/wireguard', { mode: 0o40755, uid: 0, isDirectory: true })
  assert.equal((await look(world)).kernelWireGuard, 'loaded')
})

test('what may not be looked at is said, and stops nothing else', async () => {
  const world = machine()
  world.capabilities = 0n
  world.closed.add('/var/lib/kubespan/node-identity.yaml')
  world.tools.set('nft -j list chains', 'fails: Operation not permitted (you must be root)\nnetlink: Error')
  world.tools.delete('timedatectl show --property=NTPSynchronized --value')
  world.view = new Error('permission denied, try as root')
  const facts = await look(world)
  assert.deepEqual(facts.wireguard, { problem: 'only root may look' })
  assert.deepEqual(facts.chains, { problem: 'nft: Operation not permitted (you must be root)' })
  assert.deepEqual(facts.daemon, { problem: 'permission denied, try as root' })
  assert.deepEqual(facts.clock, { problem: 'timedatectl: not known here' })
  assert.equal(
    facts.files.find(({ path }) => path.endsWith('node-identity.yaml'))?.problem,
    'only root may look',
  )
  assert.ok('value' in facts.links)
})

test('the daemon is asked, and a rule table that is broken is a problem', async () => {
  const world = machine()
  world.view = daemonView()
  world.tools.set('ip -json -4 route show table 254', 'fails: Cannot open netlink socket')
  const facts = await look(world)
  assert.equal('value' in facts.daemon && facts.daemon.value?.version, 'v0.1.0')
  assert.deepEqual(facts.uplinks, { problem: 'ip: Cannot open netlink socket' })
})
