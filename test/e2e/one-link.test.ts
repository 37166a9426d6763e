import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INTERNET_V6 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { Capture } from '../lab/capture.ts'
import { LabDiscovery } from '../lab/discovery.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { behind, nat, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertReaches,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

const BYPASSED = 8443

/** A neighbour is asked for anew, by unicast, about every second instead of twice a minute. */
const FORGETFUL = `cd /proc/sys/net/ipv6/neigh/eth0
  echo 1000 > base_reachable_time_ms
  echo 1 > delay_first_probe_time
  echo 1 > gc_stale_time`

/** Longer than it takes to ask one three times, and to give up. */
const LOOKS_MS = 8_000

const forgetNeighbours = (...hosts: readonly LabHost[]): Promise<unknown> =>
  Promise.all(hosts.map((host) => host.sh('ip -6 neigh flush dev eth0')))

/** One datagram between two ports; the answer is when it has left. */
const say = (from: LabHost, address: string, fromPort: number, toPort: number) =>
  from.exec(process.execPath, [
    '-e',
    `const socket = require('node:dgram').createSocket('udp6')
    socket.bind(${fromPort}, () => socket.send('x', ${toPort}, '${address}', () => socket.close()))`,
  ])

test('two members whose only common path is one IPv6 link', { skip }, async (t) => {
  const hosts = ['a', 'b'].map((name) => behind('home', name, { families: [6] }))
  const world = topology({ hosts, nats: [nat('home', 'port-restricted', { v6: true })] })
  await using lab = await Lab.create(world, { prefix: 'e2elink' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  const [addressOfA, addressOfB] = [a.v6 ?? '', b.v6 ?? '']
  for (const host of [a, b]) await host.sh(FORGETFUL)
  const url = `[${INTERNET_V6}]:${DISCOVERY_PORT}`
  await using _service = await new LabDiscovery(lab.internet, { flags: [`-addr=${url}`] }).start()
  const documents = () => ({
    NodeConfig: { bypass: { destinations: [`[${addressOfB}]:${BYPASSED}`], localPorts: [BYPASSED] } },
  })
  await using mesh = new Mesh(lab, { timing: FAST, services: [`http://${url}`], documents })
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const ula = await ulaOf(mesh, b)
  await assertReaches(a, [ula, addressOfB])

  await t.test('find each other on the link again and again, and no echo is lost', async () => {
    await using wire = await Capture.start(b, 'eth0', 'icmp6')
    const pinger = await steadyPing(a, ula)
    await new Promise((resolve) => setTimeout(resolve, LOOKS_MS))
    await forgetNeighbours(a, b)
    await new Promise((resolve) => setTimeout(resolve, LOOKS_MS / 4))
    await assertNoneLost(pinger)
    const seen = (await wire.stop()).join('\n')
    // When an entry grows old, and when there is none.
    assert.ok(seen.includes(` > ${addressOfB}: ICMP6, neighbor solicitation`), seen)
    assert.ok(seen.includes(` ${addressOfB} > ${addressOfA}: ICMP6, neighbor advertisement`), seen)
    assert.ok(isUp(await mesh.control(a).view(), 'b'))
  })

  await t.test('one may be the gateway of the other by its global address', async () => {
    await b.sh('echo 1 > /proc/sys/net/ipv6/conf/all/forwarding')
    await a.sh(`ip -6 route replace default via ${addressOfB} dev eth0`)
    await afterPeriod(mesh, a)
    await forgetNeighbours(a, b)
    await assertReaches(a, [INTERNET_V6, ula])
    const pinger = await steadyPing(a, INTERNET_V6)
    await new Promise((resolve) => setTimeout(resolve, LOOKS_MS))
    await assertNoneLost(pinger)
  })

  await t.test('what passes the tunnel by finds its neighbour, too', async () => {
    const server = `require('node:net').createServer((socket) => socket.end('b')).listen(${BYPASSED}, '::', () => console.log('ready'))`
    await using listening = b.spawn(process.execPath, ['-e', server], { name: 'server' })
    await listening.waitFor(/ready/)
    await using wire = await Capture.start(b, 'eth0', `tcp port ${BYPASSED}`)
    for (let round = 0; round < 3; round += 1) {
      await forgetNeighbours(a, b)
      const { stdout } = await a.sh(
        `timeout 3 bash -c 'exec 3<>/dev/tcp/${addressOfB}/${BYPASSED} && cat <&3'`,
      )
      assert.equal(stdout, 'b')
    }
    assert.ok((await wire.stop()).length > 0, 'outside the tunnel')
  })

  await t.test('leases are renewed outside the tunnel, and nothing else between these ports', async () => {
    await using wire = await Capture.start(b, 'eth0', 'udp and not port 51820 and not port 51819')
    for (const [from, to] of [
      [546, 547],
      [547, 546],
      [546, 53],
      [53, 547],
    ] as const)
      await say(a, addressOfB, from, to)
    await say(a, addressOfB, 68, 67)
    // What was sent before it arrives before it.
    await assertReaches(a, [ula])
    const seen = await wire.stop()
    const ports = seen.map((line) => /\.(\d+) > \S+\.(\d+):/.exec(line)?.slice(1).join(' > '))
    assert.deepEqual(ports.sort(), ['546 > 547', '547 > 546', '68 > 67'])
  })
})
