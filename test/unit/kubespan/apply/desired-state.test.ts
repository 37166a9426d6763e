import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyDesiredState, LinkTakenError } from '../../../../kubespan/apply/desired-state.ts'
import { observeWireGuard } from '../../../../kubespan/sources/wireguard.ts'
import type { Address, Prefix } from '../../../../shared/net/address.ts'
import { desiredOf, keyOf, peerOf, peersOf, SECRETS } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'
import { refuse } from '../../../support/host/refusal.ts'
import { bringInLine } from '../../../support/host-cases.ts'
import { settle } from '../../../support/manual-clock.ts'

/** A pod, a node and a mesh address of peer 1. */
const goals = ['10.100.1.7', '198.18.0.1', '2001:db8:1::7', 'fd11:2233:4455:6602::1'] as Address[]

test('from the first mark on, no packet for the mesh leaves in clear, and WireGuard never speaks without its mark', async () => {
  const host = new FakeHost()
  const fates: string[] = []
  host.onWrite = () => {
    const device = host.wireguard.devices.get('kubespan')
    if (host.network.links.get('kubespan')?.isUp) assert.equal(device?.fwmark, 0x20)
    if (host.nft.tables.size > 0) fates.push(...goals.map((address) => host.fate(address)))
  }
  await bringInLine(host, desiredOf(peersOf(2)))
  assert.deepEqual(fates.slice(-4), ['tunnel', 'tunnel', 'tunnel', 'tunnel'])

  for (const accident of [
    ['link', 'set', 'dev', 'kubespan', 'down'],
    ['link', 'del', 'dev', 'kubespan'],
    ['-4', 'route', 'del', 'default', 'dev', 'kubespan', 'table', '180', 'metric', '1'],
    ['address', 'del', 'fd11:2233:4455:6602::1:1/64', 'dev', 'kubespan'],
  ]) {
    await host.run('ip', accident)
    await bringInLine(host, desiredOf(peersOf(2)))
    await bringInLine(host, desiredOf([peerOf(1), peerOf(3)], { mtuBytes: 1300 }))
    assert.deepEqual(
      goals.map((address) => host.fate(address)),
      ['tunnel', 'tunnel', 'tunnel', 'tunnel'],
    )
  }
  assert.ok(fates.length > 100)
  assert.ok(!fates.includes('clear'))
})

test('a failure stops before anything that would need what failed', async () => {
  const host = new FakeHost()
  host.onRun = (tool, args) => {
    if (tool === 'nft' && args[0] === '-f') refuse(tool, args, 'Error: Operation not permitted', 1)
  }
  await assert.rejects(bringInLine(host, desiredOf(peersOf(1))), /not permitted/)
  assert.equal(host.network.links.has('kubespan'), false)
  assert.equal(host.network.rules[4].length, 1)
  host.onRun = () => undefined
  await bringInLine(host, desiredOf(peersOf(1)))
  assert.deepEqual(
    goals.map((address) => host.fate(address)),
    ['tunnel', 'tunnel', 'tunnel', 'tunnel'],
  )
})

test('failures of the tools that look are not taken for an empty host', async () => {
  for (const look of ['ip -json -details', 'ip -json -N -4', 'ip -json -N -6', 'nft -j']) {
    const host = new FakeHost()
    host.onRun = (tool, args) => {
      if (`${tool} ${args.join(' ')}`.startsWith(look))
        refuse(tool, args, 'Error: Operation not permitted', 1)
    }
    await assert.rejects(bringInLine(host, desiredOf([])), /not permitted/)
    assert.deepEqual(host.writes, [])
  }
})

test('a secret that goes to a tool goes through its standard input', async () => {
  const host = new FakeHost()
  const inputs: string[] = []
  host.onRun = (tool, args, input) => {
    assert.ok(!args.join(' ').includes(SECRETS.privateKey) && !args.join(' ').includes(SECRETS.presharedKey))
    if (tool === 'wg' && input !== undefined) inputs.push(input)
  }
  await bringInLine(host, desiredOf(peersOf(1)))
  assert.equal(inputs.length, 2)
})

test('the kernel’s WireGuard is preferred, and asked for', async () => {
  const host = new FakeHost()
  host.network.hasKernelWireGuard = true
  const report = await bringInLine(host, desiredOf(peersOf(1)))
  assert.equal(report.link[0]?.what, 'link kubespan (kernel)')
  assert.equal(host.network.links.get('kubespan')?.kind, 'wireguard')

  const without = new FakeHost()
  const apply = (implementation: 'kernel' | 'userspace', on: FakeHost) =>
    applyDesiredState(on, desiredOf([]), SECRETS, { view: undefined, implementation })
  await assert.rejects(apply('kernel', without), /Unknown device type/)
  assert.equal(without.network.links.has('kubespan'), false)
  const chosen = new FakeHost()
  chosen.network.hasKernelWireGuard = true
  assert.equal((await apply('userspace', chosen)).link[0]?.what, 'link kubespan (wireguard-go)')
})

test('a link of the kind that is not wanted any more stays, with a warning', async () => {
  for (const [hasKernelWireGuard, other] of [
    [true, /is the kernel's although wireguard: userspace/],
    [false, /is a userspace one although wireguard: kernel/],
  ] as const) {
    const host = new FakeHost()
    host.network.hasKernelWireGuard = hasKernelWireGuard
    const desired = desiredOf([])
    await bringInLine(host, desired)
    const view = await observeWireGuard(host, 'kubespan', SECRETS.presharedKey)
    const warningsWith = async (implementation: 'auto' | 'kernel' | 'userspace') =>
      (await applyDesiredState(host, desired, SECRETS, { view, implementation })).warnings
    assert.deepEqual(await warningsWith('auto'), [])
    assert.deepEqual(await warningsWith(hasKernelWireGuard ? 'kernel' : 'userspace'), [])
    const warnings = await warningsWith(hasKernelWireGuard ? 'userspace' : 'kernel')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', other)
  }
})

test('a kernel that may not make links is an error, not a reason to start wireguard-go', async () => {
  const host = new FakeHost()
  host.onRun = (tool, args) => {
    if (args.includes('wireguard')) refuse(tool, args, 'RTNETLINK answers: Operation not permitted')
  }
  await assert.rejects(bringInLine(host, desiredOf([])), /not permitted/)
  assert.equal(host.network.links.has('kubespan'), false)
})

test('a host without either says what is missing', async () => {
  const host = new FakeHost()
  host.hasWireGuardGo = false
  await assert.rejects(bringInLine(host, desiredOf([])), /wireguard-go is not installed/)
})

test('wireguard-go has five seconds to answer; what it said is told', async () => {
  for (const [line, told] of [
    ['ERROR: open /dev/net/tun: permission denied', /link kubespan: ERROR: open \/dev\/net\/tun: permission/],
    [undefined, /said nothing \(the end of wireguard-go-kubespan\.log in the run directory\)/],
  ] as const) {
    const host = new FakeHost()
    host.spawnDetached = async () => undefined
    host.logLine = line
    const applying = assert.rejects(bringInLine(host, desiredOf([])), told)
    await settle()
    await host.clock.advance(6_000)
    await applying
    assert.equal(host.clock.armed, 0)
  }
})

test('wg does not call a wireguard-go that has its socket but does not listen yet, and would lose it', async () => {
  const host = new FakeHost()
  host.spawnDetached = async () => {
    host.network.addLink('kubespan', 'tun')
    host.sockets.add('kubespan')
    host.clock.after(100, () => {
      if (host.sockets.has('kubespan')) host.wireguard.addDevice('kubespan')
    })
  }
  const applying = bringInLine(host, desiredOf([]))
  await settle()
  await host.clock.advance(6_000)
  assert.equal((await applying).link[0]?.what, 'link kubespan (wireguard-go)')
})

test('the log of wireguard-go is kept short, also by a daemon that did not start it', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf([]))
  await bringInLine(host, desiredOf([]))
  assert.deepEqual(host.limitedLogs, ['wireguard-go-kubespan.log', 'wireguard-go-kubespan.log'])
})

test('a wg that is not there is not mistaken for a link that is not ready', async () => {
  const host = new FakeHost()
  host.onRun = (tool, args) => {
    if (args[2] === 'listen-port') throw new Error(`no ${tool}`)
  }
  await assert.rejects(bringInLine(host, desiredOf([])), /no wg/)
})

test('a link of our name without WireGuard behind it', async () => {
  const host = new FakeHost()
  host.network.addLink('kubespan', undefined, 'ether')
  await assert.rejects(bringInLine(host, desiredOf([])), LinkTakenError)
  assert.deepEqual(host.writes, [])
})

test('a link that vanishes as soon as it is made', async () => {
  const host = new FakeHost()
  host.onRun = (_, args) => {
    if (args[2] === 'listen-port') host.network.links.delete('kubespan')
  }
  await assert.rejects(bringInLine(host, desiredOf([])), /vanished/)
})

test('settings that may not be changed are lived with', async () => {
  const host = new FakeHost()
  host.network.settings.set('ipv4/conf/default/rp_filter', '2')
  host.readOnlySettings.add('ipv4/conf/kubespan/rp_filter')
  const desired = desiredOf(peersOf(1))
  await bringInLine(host, desired)
  const addresses = host.network.links.get('kubespan')?.addresses.map(({ address }) => address)
  assert.deepEqual(addresses, ['fd11:2233:4455:6602::1:1', '169.254.180.1'])
  assert.equal((await bringInLine(host, desired)).count, 0)
})

test('a kernel without IPv6 gets the IPv4 half', async () => {
  const host = new FakeHost()
  for (const path of [...host.network.settings.keys()])
    if (path.startsWith('ipv6/')) host.network.settings.delete(path)
  host.onRun = (tool, args) => {
    if (args.includes('-6')) refuse(tool, args, 'RTNETLINK answers: Operation not supported')
  }
  const report = await bringInLine(host, desiredOf(peersOf(1)))
  assert.match(report.warnings.join(), /no IPv6/)
  assert.equal(host.fate('10.100.1.7' as Address), 'tunnel')
})

test('when wg refuses everything, the pass fails', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf([]))
  host.onRun = (tool, args) => {
    if (args[0] === 'addconf') refuse(tool, args, 'Unable to modify interface: No space left on device', 1)
  }
  await assert.rejects(bringInLine(host, desiredOf(peersOf(40))), /No space left/)
})

test('several that are refused are all found, and the rest is there', async () => {
  const host = new FakeHost()
  const bad = [3, 7, 20].map((index) => peerOf(index, { allowedIps: ['10.0.0.0/99' as Prefix] }))
  const peers = [...bad, ...peersOf(25).filter((_, index) => ![2, 6, 19].includes(index))]
  const report = await bringInLine(host, desiredOf(peers, { routedV4: [], routedV6: [] }))
  assert.equal(host.wireguard.devices.get('kubespan')?.peers.size, 22)
  assert.equal(report.wireguard.filter(({ action }) => action === 'add').length, 22)
  assert.equal(report.warnings.length, 3)
})

test('of peers that nobody has said anything of, those stay that this process never planned, with our keys', async () => {
  const host = new FakeHost()
  const foreign = { ...SECRETS, presharedKey: keyOf(8) }
  await bringInLine(host, desiredOf([peerOf(1), peerOf(2)]))
  const after = async (planned: readonly string[], secrets = SECRETS) => {
    const view = await observeWireGuard(host, 'kubespan', secrets.presharedKey)
    const nobody = desiredOf([], { isProvisional: true })
    await applyDesiredState(host, nobody, secrets, { view, planned: new Set(planned) })
    return [...((await observeWireGuard(host, 'kubespan'))?.peers.keys() ?? [])]
  }
  assert.deepEqual(await after([]), [keyOf(1), keyOf(2)])
  assert.deepEqual(await after([keyOf(2)]), [keyOf(1)])
  assert.deepEqual(await after([], foreign), [])
})

test('thousands of peers are removed in a few calls', async () => {
  const host = new FakeHost()
  await bringInLine(host, desiredOf(peersOf(1200)))
  host.writes.length = 0
  const report = await bringInLine(host, desiredOf([]))
  assert.equal(report.wireguard.length, 1200)
  assert.equal(host.writes.filter((call) => call.startsWith('wg set')).length, 3)
})
