import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Racer } from '../../../../../kubespan/controllers/paths/racer.ts'
import type { RacePeer } from '../../../../../kubespan/plan/paths/plan-races.ts'
import { type AddressPort, splitAddressPort } from '../../../../../shared/net/address.ts'
import { FakeRaceSockets, initiation } from '../../../../support/fake-race-sockets.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const VICTIM = '192.0.2.66'
/** WireGuard's own, when nobody answers. */
const INITIATION_EVERY = 5000

const peer = (index: number, ports: number): RacePeer => ({
  publicKey: `key-${index}`,
  state: 'down',
  ranked: Array.from({ length: ports }, (_, port) => ({
    endpoint: `${VICTIM}:${1 + index * ports + port}` as AddressPort,
    class: 'public IPv4',
    rank: 0,
  })),
  endpoint: undefined,
  receiveBytes: 0,
  isFollower: false,
})

/** Racer and kernel: who is on a relay sends to it, who has been given an endpoint calls that. */
async function flood(peers: readonly RacePeer[], seconds: number) {
  const clock = new ManualClock()
  const sockets = new FakeRaceSockets()
  await using racer = new Racer({ clock, sockets })
  const endpoints = new Map<string, AddressPort>()
  const calls: number[] = []
  for (let tick = 0; tick < seconds; tick++) {
    const orders = await racer.plan(peers, clock.now())
    for (const [key, endpoint] of orders.endpoints) {
      endpoints.set(key, endpoint)
      if (endpoint.startsWith(VICTIM)) calls.push(clock.now())
    }
    if ((tick * 1000) % INITIATION_EVERY === 0)
      for (const endpoint of endpoints.values()) {
        const { address, port } = splitAddressPort(endpoint)
        if (address === VICTIM) calls.push(clock.now())
        else sockets.relays.get(port)?.(initiation())
      }
    await clock.advance(1000)
  }
  return calls.length + sockets.sent.length
}

test('64 members that give the endpoints of one victim, 64 each, have a node send it no more than 15 packets a second', async () => {
  const seconds = 600
  const sent = await flood(
    Array.from({ length: 64 }, (_, index) => peer(index, 64)),
    seconds,
  )
  assert.ok(sent / seconds <= 15, `${sent / seconds} a second`)
})

test('a thousand honest nodes behind one address are all found within seconds', async () => {
  const clock = new ManualClock()
  const sockets = new FakeRaceSockets()
  await using racer = new Racer({ clock, sockets })
  const all = Array.from({ length: 1000 }, (_, index) => peer(index, 1))
  const answered = (): Set<string> => new Set(sockets.sent.map(({ to }) => to))
  let up = 0
  for (; up < all.length && clock.now() < 60_000; await clock.advance(100)) {
    const heard = answered()
    const peers = all.map((one): RacePeer => {
      const endpoint = one.ranked[0]?.endpoint
      return endpoint !== undefined && heard.has(endpoint) ? { ...one, state: 'up', endpoint } : one
    })
    up = peers.filter(({ state }) => state === 'up').length
    const { starts, endpoints } = await racer.plan(peers, clock.now())
    for (const { publicKey } of starts) {
      const relay = endpoints.get(publicKey)
      if (relay !== undefined) sockets.relays.get(splitAddressPort(relay).port)?.(initiation())
    }
  }
  assert.equal(up, all.length)
  assert.ok(clock.now() <= 3000, `${clock.now()} ms`)
})
