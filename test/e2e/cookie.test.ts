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

  // An initiation of one of the two, that the other one would take if it were new.
  const file = join(lab.wan.directory, 'initiations.pcap')
  const filter = 'udp and dst port 51820 and udp[4:2] = 156'
  await using capture = lab.wan.spawn('tcpdump', ['-U', '-i', 'any', '-w', file, ...filter.split(' ')], {
    name: 'tcpdump',
  })
  await capture.waitFor(/listening on/)
  for (const host of [a, b]) mesh.startDaemon(host)
  await mesh.until(a, (view) => isUp(view, 'b'), PATIENCE_MS)
  const captured = await eventually(
    'an initiation was captured',
    async () => lastInitiation(readFileSync(file)),
    (initiation) => initiation !== undefined,
  )
  await capture.stop('SIGINT')
  const responder = captured?.to === a.v4 ? a : b

  await c.sh(
    [
      'nft add table inet cookies',
      "nft add chain inet cookies in '{ type filter hook input priority 0; }'",
      `nft add rule inet cookies in ip saddr ${responder.v4} udp dport 51820 udp length 72 counter`,
    ].join('\n'),
  )
  const flood = ['-e', FLOOD, captured?.hex ?? '', captured?.to ?? '']
  await using _flood = lab.internet.spawn(process.execPath, flood, { name: 'flood' })
  await eventually(
    'the responder is under load',
    () => lab.counts(),
    ({ cookie }) => cookie.packets > 0,
  )
  mesh.startDaemon(c)
  await mesh.until(c, (view) => isUp(view, responder.name), PATIENCE_MS)
  const { stdout } = await c.exec('nft', ['list', 'table', 'inet', 'cookies'])
  assert.match(stdout, /counter packets [1-9]/, 'c was sent a cookie first')
})

const HEADERS_BYTES = 28
const DESTINATION_AT = 16

/** What the last packet in a file of `tcpdump -w` carries, if that is an initiation, and where it went (IPv4). */
function lastInitiation(file: Buffer): { readonly hex: string; readonly to: string } | undefined {
  const packet = file.subarray(-INITIATION_BYTES - HEADERS_BYTES)
  const payload = packet.subarray(HEADERS_BYTES)
  if (payload.length !== INITIATION_BYTES || payload[0] !== 1) return undefined
  return {
    hex: payload.toString('hex'),
    to: [...packet.subarray(DESTINATION_AT, DESTINATION_AT + 4)].join('.'),
  }
}
