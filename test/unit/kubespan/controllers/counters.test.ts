import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshCounters } from '../../../../kubespan/controllers/counters.ts'
import type { PeerStatus } from '../../../../kubespan/model/peer.ts'
import type { AddressPort } from '../../../../shared/net/address.ts'

const status = (change: Partial<PeerStatus>): PeerStatus => ({
  label: 'a',
  state: 'up',
  endpoint: '192.0.2.1:1' as AddressPort,
  lastUsedEndpoint: undefined,
  lastEndpointChangeAt: undefined,
  lastHandshakeAt: undefined,
  lastHandshakeStamp: undefined,
  lastReceiveAt: undefined,
  notUpSince: undefined,
  observedAt: 0,
  receiveBytes: 0,
  transmitBytes: 0,
  counters: { receiveBytes: 0, transmitBytes: 0 },
  ...change,
})
const of = (change: Partial<PeerStatus>) => new Map([['k', status(change)]])

test('handshakes, moves and losses of peers are counted once', () => {
  const counters = new MeshCounters()
  counters.peersLooked(new Map(), of({ state: 'unknown', endpoint: undefined }))
  counters.peersLooked(of({ endpoint: undefined }), of({ lastHandshakeStamp: 7 }))
  counters.peersLooked(of({ lastHandshakeStamp: 7 }), of({ lastHandshakeStamp: 7 }))
  counters.peersLooked(
    of({ lastHandshakeStamp: 7 }),
    of({ lastHandshakeStamp: 9, endpoint: '192.0.2.2:1' as AddressPort }),
  )
  counters.peersLooked(of({}), of({ endpoint: '192.0.2.3:1' as AddressPort, state: 'down' }))
  const { handshakes, endpointChanges, peersLost } = counters.view
  assert.deepEqual(
    { handshakes, endpointChanges, peersLost },
    { handshakes: 2, endpointChanges: 1, peersLost: 1 },
  )
})

test('passes and what they change are counted, and one that runs is known', () => {
  const counters = new MeshCounters()
  assert.equal(counters.runningSince, undefined)
  counters.passBegins(5)
  assert.equal(counters.runningSince, 5)
  counters.hostChanged(4, false)
  counters.passEnds(20, false)
  counters.passBegins(50)
  counters.hostChanged(2, true)
  counters.passEnds(30, true)
  assert.equal(counters.runningSince, undefined)
  const { passes, failedPasses, passMilliseconds, hostChanges, driftRepairs } = counters.view
  assert.deepEqual([passes, failedPasses, passMilliseconds, hostChanges, driftRepairs], [2, 1, 50, 6, 2])
  const before = counters.view
  counters.hostChanged(0, false)
  assert.equal(counters.view, before, 'the same value when nothing happened')
})

test('strays are counted from the first look on, also where the table is another one', () => {
  const counters = new MeshCounters()
  const counted = (inTable: number | undefined): number => {
    counters.strayed(inTable)
    return counters.view.strayPackets
  }
  assert.deepEqual([500, 503, undefined, 2, 2, 1].map(counted), [0, 3, 3, 5, 5, 6])
  const fresh = new MeshCounters()
  for (const inTable of [undefined, 4]) fresh.strayed(inTable)
  assert.equal(fresh.view.strayPackets, 4, 'of a table that we made')
})
