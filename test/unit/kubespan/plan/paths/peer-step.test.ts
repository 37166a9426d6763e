import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerStatus, WireGuardPeer } from '../../../../../kubespan/model/peer.ts'
import { beginTrial, judgePeers, stepPeer, stepPeers } from '../../../../../kubespan/plan/paths/peer-step.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { specOf, statusOf, wireguardPeerOf } from '../../../../support/peers.ts'

const [a, b, elsewhere] = ['10.0.0.1:51820', '10.0.0.2:51820', '203.0.113.9:40000'] as [
  AddressPort,
  AddressPort,
  AddressPort,
]
const spec = specOf({ endpoints: [a, b] })
const timing = { peerDownAfter: 275_000, endpointGrace: 15_000 }

/** A peer on a host whose wall clock shows `epochSeconds` at instant 0 and may jump. */
class Host {
  now = 0
  status: PeerStatus | undefined
  view: WireGuardPeer | undefined
  epochSeconds = 1_767_225_600
  spec = spec

  /** Looks, and writes what it is told to write. */
  step(at: number): AddressPort | undefined {
    this.now = at
    const { status, endpoint } = stepPeer({
      spec: this.spec,
      status: this.status,
      view: this.view && { ...this.view, lastHandshakeAt: this.converted() },
      now: at,
      timing,
    })
    this.status = status
    this.view = { ...(this.view ?? wireguardPeerOf({})), ...(endpoint === undefined ? {} : { endpoint }) }
    return endpoint
  }

  handshake(at: number, from?: AddressPort): void {
    this.view = {
      ...(this.view ?? wireguardPeerOf({})),
      ...(from === undefined ? {} : { endpoint: from }),
      lastHandshakeStamp: Math.floor(this.epochSeconds + at / 1000),
    }
  }

  receive(bytes: number): void {
    if (this.view !== undefined)
      this.view = { ...this.view, receiveBytes: this.view.receiveBytes + bytes, transmitBytes: 7 }
  }

  private converted(): number | undefined {
    const stamp = this.view?.lastHandshakeStamp
    return stamp === undefined ? undefined : (stamp - this.epochSeconds) * 1000
  }
}

test('a new peer is given each candidate in turn until one answers', () => {
  const host = new Host()
  const moments = [
    { at: 0, want: a, state: 'unknown', why: 'the first candidate' },
    { at: 14_999, want: undefined, state: 'unknown', why: 'it still has time' },
    { at: 15_000, want: b, state: 'unknown', why: 'it was silent: the next one' },
    { at: 30_000, want: a, state: 'unknown', why: 'round and round' },
  ] as const
  for (const { at, want, state, why } of moments) {
    assert.equal(host.step(at), want, why)
    assert.equal(host.status?.state, state, why)
  }
  host.handshake(30_400)
  assert.equal(host.step(31_000), undefined)
  assert.equal(
    host.status?.state,
    'up',
    'although the stamp is of a second that began before the endpoint was set',
  )
  assert.equal(host.status?.notUpSince, undefined)
  assert.equal(host.step(330_000), b, 'silent for 275 s: it is down and the rotation goes on')
  assert.equal(host.status?.notUpSince, 330_000)
})

test('a restarted daemon adopts a live session and leaves its endpoint alone', () => {
  const host = new Host()
  host.view = wireguardPeerOf({ endpoint: elsewhere, receiveBytes: 500 })
  host.handshake(-100_000)
  assert.equal(host.step(0), undefined)
  assert.deepEqual(
    { ...host.status },
    statusOf({
      state: 'up',
      endpoint: elsewhere,
      lastHandshakeAt: -100_000,
      lastHandshakeStamp: host.epochSeconds - 100,
      lastReceiveAt: -100_000,
      receiveBytes: 500,
      counters: { receiveBytes: 500, transmitBytes: 0 },
      heardFrom: elsewhere,
      roundTrip: undefined,
      lastWorked: undefined,
    }),
  )
})

test('what a restarted daemon finds dead it tries anew', () => {
  const host = new Host()
  host.view = wireguardPeerOf({ endpoint: b })
  host.handshake(-276_000)
  assert.equal(host.step(0), a)
})

test('a peer that came to us is not torn away from the endpoint it came from', () => {
  const host = new Host()
  host.spec = specOf({ endpoints: [] })
  assert.equal(host.step(0), undefined, 'nothing to try')
  assert.equal(host.status?.state, 'unknown')
  host.handshake(1000, elsewhere)
  host.spec = spec
  assert.equal(host.step(2000), undefined)
  assert.deepEqual([host.status?.state, host.status?.endpoint], ['up', elsewhere])
})

test('a peer that roamed keeps its endpoint while it is up', () => {
  const host = new Host()
  host.step(0)
  host.handshake(100, elsewhere)
  assert.equal(host.step(30_000), undefined)
  assert.equal(host.status?.endpoint, elsewhere)
  assert.equal(host.status?.lastUsedEndpoint, a)
})

test('a peer that somebody removed comes back with the endpoint that worked', () => {
  const host = new Host()
  host.step(0)
  host.handshake(100, elsewhere)
  host.step(30_000)
  host.view = undefined
  assert.equal(host.step(31_000), elsewhere)
  assert.deepEqual([host.status?.state, host.status?.lastUsedEndpoint], ['unknown', elsewhere])
  assert.equal(host.step(46_000), a, 'and if that fails the rotation begins')
})

test('an endpoint that WireGuard lost is given back', () => {
  const host = new Host()
  host.step(0)
  host.view = wireguardPeerOf({})
  assert.equal(host.step(1000), a)
  assert.equal(host.status?.endpoint, a)
  assert.equal(host.status?.lastEndpointChangeAt, 0, 'which is no new trial')
})

test('the only candidate is not written again and again', () => {
  const host = new Host()
  host.spec = specOf({ endpoints: [a] })
  assert.equal(host.step(0), a)
  assert.equal(host.step(15_000), undefined)
  assert.equal(host.status?.state, 'down')
})

test('jumps of the wall clock flip nobody', () => {
  for (const jumpSeconds of [3600, -3600]) {
    const host = new Host()
    host.step(0)
    host.handshake(1000)
    host.step(2000)
    host.epochSeconds += jumpSeconds
    assert.equal(host.step(280_000), b, 'an old handshake stays as old as it is')
    assert.equal(host.status?.state, 'unknown')
    host.handshake(281_000)
    host.step(290_000)
    assert.equal(host.status?.state, 'up', 'and a new one is new')
    assert.ok(
      host.status !== undefined &&
        host.status.lastHandshakeAt !== undefined &&
        host.status.lastHandshakeAt <= 290_000,
    )
  }
})

test('totals outlive a reset of the counters, and say when the peer was last heard', () => {
  const host = new Host()
  host.step(0)
  host.receive(100)
  host.step(1000)
  assert.equal(host.status?.lastReceiveAt, 1000)
  host.step(2000)
  assert.equal(host.status?.lastReceiveAt, 1000)
  host.view = wireguardPeerOf({ endpoint: a, receiveBytes: 30 })
  host.step(3000)
  assert.equal(host.status?.receiveBytes, 130)
  assert.equal(host.status?.transmitBytes, 7)
  assert.equal(host.status?.lastReceiveAt, 3000)
})

test('a relay that a crash left behind is healed, of a peer that is up as well', () => {
  const relay = '127.0.0.1:40001' as AddressPort
  const host = new Host()
  host.view = wireguardPeerOf({ endpoint: relay })
  host.handshake(-10_000)
  assert.equal(host.step(0), a)

  const used = new Host()
  used.step(0)
  used.handshake(1000, relay)
  assert.equal(used.step(2000), a)
  assert.equal(used.status?.state, 'up', 'and it stays up')
})

test('peers that are raced are only judged', () => {
  const relay = '127.0.0.1:40001' as AddressPort
  const views = (endpoint: AddressPort, lastHandshakeStamp?: number) =>
    new Map([['key', wireguardPeerOf({ endpoint, lastHandshakeStamp, lastHandshakeAt: 0 })]])
  const status = beginTrial(statusOf({ observedAt: 1000 }), a, 1000)
  const look = (memory: PeerStatus, view: ReturnType<typeof views>, now: number) =>
    judgePeers([spec], new Map([['key', memory]]), view, now, timing).get('key') ?? status

  const waiting = look(status, views(relay), 5000)
  assert.deepEqual([waiting.state, waiting.endpoint, waiting.notUpSince], ['unknown', a, 1000])
  const down = look(waiting, views(relay), 16_000)
  assert.deepEqual([down.state, down.lastUsedEndpoint], ['down', a])
  const up = look(down, views(elsewhere, 17), 17_000)
  assert.deepEqual(
    [up.state, up.endpoint, up.lastUsedEndpoint, up.notUpSince],
    ['up', elsewhere, elsewhere, undefined],
  )
})

test('memory of a peer ends with its spec', () => {
  const views = new Map([
    ['key', wireguardPeerOf({ endpoint: elsewhere, lastHandshakeStamp: 1, lastHandshakeAt: 0 })],
  ])
  const other = specOf({ publicKey: 'other', endpoints: [b] })
  const first = stepPeers([spec, other], new Map(), views, 1000, timing)
  assert.deepEqual([...first.statuses.keys()], ['key', 'other'])
  assert.deepEqual([...first.endpoints], [['other', b]])
  assert.deepEqual([...stepPeers([other], first.statuses, views, 2000, timing).statuses.keys()], ['other'])
})

test('whatever happens, a peer that is up is never touched', () => {
  const event = fc.record({
    after: fc.integer({ min: 1, max: 300_000 }),
    what: fc.constantFrom('nothing', 'handshake', 'roam', 'clock forward', 'clock back'),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const host = new Host()
      let now = 0
      for (const { after, what } of events) {
        now += after
        if (what === 'handshake') host.handshake(now)
        if (what === 'roam') host.handshake(now, elsewhere)
        if (what === 'clock forward') host.epochSeconds += 5000
        if (what === 'clock back') host.epochSeconds -= 5000
        const endpoint = host.step(now)
        if (host.status?.state === 'up') assert.equal(endpoint, undefined)
        else assert.notEqual(host.status?.notUpSince, undefined)
      }
    }),
  )
})
