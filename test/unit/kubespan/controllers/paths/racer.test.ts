import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Racer } from '../../../../../kubespan/controllers/paths/racer.ts'
import type { RacePeer } from '../../../../../kubespan/plan/paths/plan-races.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { FakeRaceSockets, initiation } from '../../../../support/fake-race-sockets.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const at = (text: string): AddressPort => text as AddressPort
const peer = (said: Partial<RacePeer> = {}): RacePeer => ({
  publicKey: 'key',
  state: 'down',
  ranked: [
    { endpoint: at('10.0.0.1:1'), class: 'on a shared link', rank: 0 },
    { endpoint: at('192.0.2.1:1'), class: 'public IPv4', rank: 1 },
  ],
  endpoint: undefined,
  receiveBytes: 0,
  isFollower: false,
  ...said,
})

function world() {
  const clock = new ManualClock()
  const sockets = new FakeRaceSockets()
  const racer = new Racer({ clock, sockets })
  const relay = (): ((packet: Uint8Array) => void) =>
    [...sockets.relays.values()][0] ?? assert.fail('no relay')
  return { clock, sockets, racer, relay }
}

test('a peer that is down is put on a relay, and what its kernel sends there goes to every candidate', async () => {
  const { clock, sockets, racer, relay } = world()
  const orders = await racer.plan([peer()], 0)
  assert.deepEqual([...orders.endpoints], [['key', '127.0.0.1:40001']])
  assert.deepEqual([...racer.onRelay], [['key', '10.0.0.1:1']])
  relay()(initiation())
  assert.deepEqual(
    sockets.sent.map(({ to }) => to),
    ['10.0.0.1:1'],
    'the better rank has a head start',
  )
  await clock.advance(20)
  assert.deepEqual(
    sockets.sent.map(({ to }) => to),
    ['10.0.0.1:1', '192.0.2.1:1'],
  )
  await clock.advance(2000)
  assert.equal(sockets.sent.length, 8, 'four waves')
  assert.equal(clock.armed, 0)
})

test('nothing but initiations leaves by a relay', async () => {
  const { clock, sockets, racer, relay } = world()
  await racer.plan([peer()], 0)
  relay()(new Uint8Array(148))
  relay()(new Uint8Array(32).fill(4))
  await clock.advance(3000)
  assert.deepEqual(sockets.sent, [])
})

test('who is up has no relay any more, and no copy is sent after that', async () => {
  const { clock, sockets, racer, relay } = world()
  await racer.plan([peer()], 0)
  const late = relay()
  late(initiation())
  const sent = sockets.sent.length
  const orders = await racer.plan([peer({ state: 'up', endpoint: at('192.0.2.1:1') })], 10)
  assert.deepEqual([[...orders.endpoints], orders.racing, sockets.relays.size], [[], 0, 0])
  late(initiation())
  await clock.advance(3000)
  assert.equal(sockets.sent.length, sent)
})

test('a race that ends on its relay is given a real endpoint; a suspect is reset', async () => {
  const { racer } = world()
  const first = await racer.plan([peer({ state: 'suspect', endpoint: at('192.0.2.1:1') })], 0)
  assert.deepEqual(
    first.starts.map(({ reset }) => reset),
    [true],
  )
  const last = await racer.plan([peer({ state: 'up' })], 10)
  assert.deepEqual([...last.endpoints], [['key', '10.0.0.1:1']])
})

test('disposal closes relays and sockets, and nothing is sent after it', async () => {
  const { clock, sockets, racer, relay } = world()
  await racer.plan([peer()], 0)
  relay()(initiation())
  const sent = sockets.sent.length
  await racer[Symbol.asyncDispose]()
  assert.deepEqual([sockets.isClosed, sockets.relays.size, clock.armed], [true, 0, 0])
  await clock.advance(3000)
  assert.equal(sockets.sent.length, sent)
})

test('who knocks sends something that no race and no relay has to do with', async () => {
  const { sockets, racer } = world()
  racer.knock('fd00::7' as Address)
  assert.deepEqual(
    sockets.sent.map(({ packet, to }) => [packet.length, to]),
    [[1, '[fd00::7]:9']],
  )
})
