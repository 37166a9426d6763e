import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { mesh as startMesh } from '../lab/mesh.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import { parseCounters } from '../lab/wan-watch.ts'
import { assertReaches, PATIENCE_MS, skip, ulaOf } from './story.ts'

const WIREGUARD_PORT = 51_820
const RACE_PORT = 51_819
const INITIATION_BYTES = 148

/** Counts what comes out of the tunnel for WireGuard's port: all of it, and what a socket is given. */
const COUNT = `table inet watch {
  counter arrived {}
  counter delivered {}
  chain arriving {
    type filter hook prerouting priority -400
    iifname "kubespan" udp dport ${WIREGUARD_PORT} counter name arrived
  }
  chain delivering {
    type filter hook input priority 400
    iifname "kubespan" udp dport ${WIREGUARD_PORT} counter name delivered
  }
}`

interface Counted {
  readonly arrived: number
  readonly delivered: number
}

async function counted(host: LabHost): Promise<Counted> {
  const { stdout } = await host.exec('nft', ['-j', 'list', 'counters', 'table', 'inet', 'watch'])
  const counters = parseCounters(stdout)
  const packets = (name: string): number => counters.get(name)?.packets ?? assert.fail(stdout)
  return { arrived: packets('arrived'), delivered: packets('delivered') }
}

/** A datagram as long as a handshake; whether it leaves at all is not for the sender to say. */
const call = (host: LabHost, address: string, fromPort = 0) =>
  host.exec(process.execPath, [
    '-e',
    `const socket = require('node:dgram').createSocket('udp6')
    socket.bind(${fromPort}, () => socket.send(Buffer.alloc(${INITIATION_BYTES}), ${WIREGUARD_PORT}, '${address}', () => socket.close()))`,
  ])

test('no handshake goes through a tunnel, and none that does is heard', { skip }, async (t) => {
  const world = topology({
    hosts: [behind('home', 'a'), publicHost('b')],
    nats: [nat('home', 'port-restricted')],
  })
  await using lab = await Lab.create(world, { prefix: 'e2enested' })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await b.exec('nft', ['-f', '-'], { input: COUNT })
  await using mesh = await startMesh(lab)
  await mesh.full(PATIENCE_MS)
  const ula = await ulaOf(mesh, b)
  const global = b.v6 ?? assert.fail('b has no IPv6')
  await assertReaches(a, [ula, global])
  // Frees the port that copies are sent from; everything else stays.
  await mesh.daemon(a).stop('SIGKILL')

  await t.test('a copy for an address that only the mesh leads to stays here', async () => {
    await call(a, global, RACE_PORT)
    // What was sent before it arrives before it.
    await assertReaches(a, [ula])
    assert.deepEqual(await counted(b), { arrived: 0, delivered: 0 })
  })

  await t.test('what another one sends through the tunnel ends there', async () => {
    await call(a, ula)
    await assertReaches(a, [ula])
    assert.deepEqual(await counted(b), { arrived: 1, delivered: 0 })
  })
})
