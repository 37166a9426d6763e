import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ENDPOINT_GRACE, PEER_DOWN_AFTER } from '../../../../../kubespan/model/constants.ts'
import { judgePeer, mustChangeEndpoint } from '../../../../../kubespan/plan/paths/peer-state.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const some = '10.0.0.1:51820' as AddressPort

interface Case {
  name: string
  msSinceLastHandshake: number | null
  msSinceEndpointChange: number | null
  lastUsedEndpointSet: boolean
  state: string
  shouldChangeEndpoint: boolean
}

test('recorded states', () => {
  const { cases } = JSON.parse(readFileSync('test/vectors/peer-state.json', 'utf8')) as { cases: Case[] }
  const now = 1_000_000
  const before = (elapsed: number | null) => (elapsed === null ? undefined : now - elapsed)
  for (const wanted of cases) {
    const lastUsedEndpoint = wanted.lastUsedEndpointSet ? some : undefined
    const state = judgePeer(
      {
        lastHandshakeAt: before(wanted.msSinceLastHandshake),
        lastEndpointChangeAt: before(wanted.msSinceEndpointChange),
        lastUsedEndpoint,
      },
      now,
    )
    assert.equal(state, wanted.state, wanted.name)
    assert.equal(mustChangeEndpoint(state, lastUsedEndpoint), wanted.shouldChangeEndpoint, wanted.name)
  }
})

test('the life of one endpoint', () => {
  const set = 1000
  const moments = [
    { at: set, handshakeAt: undefined, want: 'unknown', why: 'just set' },
    { at: set, handshakeAt: set - 1, want: 'unknown', why: 'an older handshake speaks for another endpoint' },
    { at: set + ENDPOINT_GRACE - 1, handshakeAt: undefined, want: 'unknown', why: 'it still has time' },
    { at: set + ENDPOINT_GRACE, handshakeAt: undefined, want: 'down', why: 'the trial ended in silence' },
    { at: set + ENDPOINT_GRACE, handshakeAt: set + 1, want: 'up', why: 'it answered' },
    { at: set + PEER_DOWN_AFTER, handshakeAt: set + 1, want: 'up', why: 'it answered, once is enough' },
    { at: set + PEER_DOWN_AFTER + 1, handshakeAt: set + 1, want: 'down', why: 'now the age counts' },
    { at: set + PEER_DOWN_AFTER + 1, handshakeAt: set + 2, want: 'up', why: 'young enough by 1 ms' },
  ]
  for (const { at, handshakeAt, want, why } of moments)
    assert.equal(
      judgePeer({ lastHandshakeAt: handshakeAt, lastEndpointChangeAt: set, lastUsedEndpoint: some }, at),
      want,
      why,
    )
})

test('intervals are settings', () => {
  const peer = { lastHandshakeAt: 5, lastEndpointChangeAt: undefined, lastUsedEndpoint: some }
  assert.equal(judgePeer(peer, 14, { peerDownAfter: 10, endpointGrace: 1 }), 'up')
  assert.equal(judgePeer(peer, 15, { peerDownAfter: 10, endpointGrace: 1 }), 'down')
})
