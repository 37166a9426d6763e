import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { eventually, FAST, PATIENCE_MS, skip } from './story.ts'

const INITIATION_BYTES = 148

/** Sends one packet again and again, in bursts that fill the queue of handshakes. */
const FLOOD = `
const [hex, address] = process.argv.slice(1)
const packet = Buffer.from(hex, 'hex')
const socket = require('node:dgram').createSocket('udp4')
setInterval(() => { for (let count = 0; count < 1500; count += 1) socket.send(packet, 51820, address) }, 50)
`

test('a responder under load is reached: its cookies find their way to the kernel', { skip }, async () => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name, { families: [4] }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2ecookie' })
  const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')]
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()

  // Of another peer, an initiation that b would take if it were new.
  const file = join(lab.wan.directory, 'initiations.pcap')
  const filter = `udp and dst host ${b.v4} and dst port 51820 and udp[4:2] = 156`
  await using capture = lab.wan.spawn('tcpdump', ['-U', '-i', 'any', '-w', file, ...filter.split(' ')], {
    name: 'tcpdump',
  })
  await capture.waitFor(/listening on/)
  for (const host of [a, b]) mesh.startDaemon(host)
  await mesh.until(a, (view) => isUp(view, 'b'), PATIENCE_MS)
  const initiation = await eventually(
    'an initiation was captured',
    async () => lastPacket(readFileSync(file)),
    (packet) => packet?.length === INITIATION_BYTES && packet[0] === 1,
  )
  await capture.stop('SIGINT')

  await c.sh(
    [
      'nft add table inet cookies',
      "nft add chain inet cookies in '{ type filter hook input priority 0; }'",
      `nft add rule inet cookies in ip saddr ${b.v4} udp dport 51820 udp length 72 counter`,
    ].join('\n'),
  )
  const hex = initiation?.toString('hex') ?? ''
  await using _flood = lab.internet.spawn(process.execPath, ['-e', FLOOD, hex, b.v4 ?? ''], { name: 'flood' })
  await eventually(
    'b is under load',
    () => lab.counts(),
    ({ cookie }) => cookie.packets > 0,
  )
  mesh.startDaemon(c)
  await mesh.until(c, (view) => isUp(view, 'b'), PATIENCE_MS)
  const { stdout } = await c.exec('nft', ['list', 'table', 'inet', 'cookies'])
  assert.match(stdout, /counter packets [1-9]/, 'c was sent a cookie first')
})

/** The payload of the last packet in a file of `tcpdump -w`, if its length is that of an initiation. */
function lastPacket(file: Buffer): Buffer | undefined {
  return file.length < INITIATION_BYTES + 24 ? undefined : file.subarray(file.length - INITIATION_BYTES)
}
