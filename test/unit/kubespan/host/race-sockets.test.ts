import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { openRaceSockets } from '../../../../kubespan/host/race-sockets.ts'
import type { AddressPort } from '../../../../shared/net/address.ts'
import { freePort } from '../../../support/free-port.ts'

/** A UDP socket of somebody else on loopback. */
async function stranger(address: '127.0.0.1' | '::1') {
  const socket = createSocket(address === '::1' ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  return { socket, port: socket.address().port, [Symbol.dispose]: () => void socket.close() }
}

test('what arrives at a relay is handed on, until it is closed', async () => {
  using kernel = await stranger('127.0.0.1')
  await using sockets = await openRaceSockets(await freePort('udp'), kernel.port)
  const arrived = Promise.withResolvers<Uint8Array>()
  const relay = await sockets.openRelay(arrived.resolve)
  kernel.socket.send(Buffer.from('hello'), relay.port, '127.0.0.1')
  assert.equal(Buffer.from(await arrived.promise).toString(), 'hello')
  relay.close()
  relay.close()
})

test('only WireGuard is heard at a relay, and no other process of this machine', async () => {
  using kernel = await stranger('127.0.0.1')
  using other = await stranger('127.0.0.1')
  await using sockets = await openRaceSockets(await freePort('udp'), kernel.port)
  const heard: string[] = []
  const arrived = Promise.withResolvers<void>()
  const relay = await sockets.openRelay((packet) => {
    heard.push(String(packet))
    arrived.resolve()
  })
  for (let sent = 0; sent < 50; sent++)
    await new Promise((done) => other.socket.send('junk', relay.port, '127.0.0.1', done))
  kernel.socket.send('hello', relay.port, '127.0.0.1')
  await arrived.promise
  assert.deepEqual(heard, ['hello'])
})

test('all copies leave from the one port, and what cannot be sent is lost', async () => {
  const port = await freePort('udp')
  await using sockets = await openRaceSockets(port, 51820)
  using peer = await stranger('127.0.0.1')
  const arrived = once(peer.socket, 'message')
  sockets.send(Buffer.from('one'), '255.255.255.255:1' as AddressPort)
  sockets.send(Buffer.from('two'), '[2001:db8::1]:1' as AddressPort)
  sockets.send(Buffer.from('three'), `127.0.0.1:${peer.port}` as AddressPort)
  const [packet, from] = await arrived
  assert.deepEqual([String(packet), from.port], ['three', port])
})

test('a port that is taken is said', async () => {
  using taken = await stranger('127.0.0.1')
  await assert.rejects(openRaceSockets(taken.port, 51820), { code: 'EADDRINUSE' })
})
