import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerStatus, WireGuardPeer } from '../../../../../kubespan/model/peer.ts'
import { isRelay, judgeSeen, lookAtPeer } from '../../../../../kubespan/plan/paths/peer-look.ts'
import { PEER_TIMING } from '../../../../../kubespan/plan/paths/peer-state.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { specOf, statusOf, wireguardPeerOf } from '../../../../support/peers.ts'

const spec = specOf({ label: 'new name' })

test('a loopback endpoint is a relay of ours and no endpoint', () => {
  const [relay, real] = ['127.0.0.1:40001', '203.0.113.1:51820'] as [AddressPort, AddressPort]
  assert.deepEqual([relay, '[::1]:1' as AddressPort, real, undefined].map(isRelay), [
    true,
    true,
    false,
    false,
  ])
  const look = (endpoint: AddressPort) =>
    lookAtPeer({ spec, status: undefined, view: wireguardPeerOf({ endpoint }), now: 0 }).endpoint
  assert.deepEqual([look(relay), look(real)], [undefined, real])
  const status = statusOf({ endpoint: real })
  assert.equal(
    lookAtPeer({ spec, status, view: wireguardPeerOf({ endpoint: relay }), now: 0 }).endpoint,
    real,
  )
})

test('what WireGuard does not have was never heard', () => {
  const status = statusOf({
    lastHandshakeAt: 5,
    lastHandshakeStamp: 1,
    receiveBytes: 9,
    counters: { receiveBytes: 9, transmitBytes: 0 },
  })
  const seen = lookAtPeer({ spec, status, view: undefined, now: 10 })
  assert.deepEqual([seen.lastHandshakeAt, seen.receiveBytes, seen.label], [undefined, 9, 'new name'])
  assert.equal(judgeSeen(seen, 10, PEER_TIMING).notUpSince, 10)
})

test('a handshake from the future, by a clock that was set back, happened at the latest now', () => {
  const view = wireguardPeerOf({ lastHandshakeStamp: 99, lastHandshakeAt: 5000 })
  assert.equal(lookAtPeer({ spec, status: undefined, view, now: 1000 }).lastHandshakeAt, 1000)
})

test('where a peer was heard is not where we look for it', () => {
  const [there, tried] = ['203.0.113.1:1024', '192.0.2.1:51820'] as [AddressPort, AddressPort]
  const look = (status: PeerStatus | undefined, endpoint: AddressPort, receiveBytes: number) =>
    lookAtPeer({ spec, status, view: wireguardPeerOf({ endpoint, receiveBytes }), now: 0 })
  const heard = look(undefined, there, 100)
  const sought = look(heard, tried, 100)
  assert.deepEqual([heard.heardFrom, sought.heardFrom, sought.endpoint], [there, there, tried])
  assert.equal(look(sought, tried, 200).heardFrom, tried)
  assert.equal(look(sought, '127.0.0.1:40001' as AddressPort, 200).heardFrom, there)
})

test('of a peer that shows nothing new the status is the same value, and anything new makes another', () => {
  const endpoint = '203.0.113.1:1024' as AddressPort
  const seen = { endpoint, lastHandshakeStamp: 7, lastHandshakeAt: 100, receiveBytes: 5, transmitBytes: 6 }
  const look = (status: PeerStatus | undefined, said: Partial<WireGuardPeer>, now: number, label = 'name') =>
    judgeSeen(
      lookAtPeer({ spec: specOf({ label }), status, view: wireguardPeerOf({ ...seen, ...said }), now }),
      now,
      PEER_TIMING,
    )
  const first = look(undefined, {}, 1000)
  assert.equal(first.state, 'up')
  assert.equal(look(first, {}, 2000), first)
  for (const news of [
    { receiveBytes: 6 },
    { transmitBytes: 7 },
    { lastHandshakeStamp: 8 },
    { lastHandshakeStamp: undefined },
    { endpoint: '203.0.113.2:1024' as AddressPort },
  ])
    assert.notEqual(look(first, news, 2000), first, JSON.stringify(news))
  assert.equal(look(first, {}, 2000, 'other').label, 'other')
  assert.equal(look(first, {}, 100 + PEER_TIMING.peerDownAfter).state, 'unknown', 'time alone changes it')
})

test('a handshake is later than what was seen and set before it', () => {
  const status = statusOf({ observedAt: 1000, lastEndpointChangeAt: 5000, lastHandshakeStamp: 1 })
  const view = wireguardPeerOf({ lastHandshakeStamp: 2, lastHandshakeAt: 10 })
  assert.equal(lookAtPeer({ spec, status, view, now: 9000 }).lastHandshakeAt, 5001)
  assert.equal(
    lookAtPeer({ spec, status: { ...status, lastEndpointChangeAt: undefined }, view, now: 9000 })
      .lastHandshakeAt,
    1001,
  )
})
