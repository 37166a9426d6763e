import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announceStates } from '../../../../kubespan/controllers/announce.ts'
import type { PeerStatus } from '../../../../kubespan/model/peer.ts'
import type { AddressPort } from '../../../../shared/net/address.ts'
import { specOf, statusOf } from '../../../support/peers.ts'

const [here, there] = ['192.0.2.1:1', '192.0.2.2:2'] as [AddressPort, AddressPort]

function said(before: Partial<PeerStatus> | undefined, after: Partial<PeerStatus> | undefined): string[] {
  const lines: string[] = []
  const log = {
    info: (_: object, message: string) => void lines.push(message),
    warn: () => assert.fail('nothing of this is a warning'),
  }
  const of = (status: Partial<PeerStatus> | undefined): ReadonlyMap<string, PeerStatus> =>
    new Map(status === undefined ? [] : [['key', statusOf(status)]])
  announceStates(log, of(before), of(after), [specOf({})])
  return lines
}

test('a peer that changes its state, moves while it is up, or goes, is one line', () => {
  assert.deepEqual(said(undefined, { state: 'unknown' }), ['peer state changed'])
  assert.deepEqual(said({ state: 'up', endpoint: here }, { state: 'down', endpoint: there }), [
    'peer state changed',
  ])
  assert.deepEqual(said({ state: 'up', endpoint: here }, { state: 'up', endpoint: there }), [
    'endpoint changed',
  ])
  assert.deepEqual(said({ state: 'up' }, undefined), ['peer removed'])
})

test('nothing is said of what stays, and of endpoints that are only being tried', () => {
  assert.deepEqual(said({ state: 'up', endpoint: here }, { state: 'up', endpoint: here }), [])
  assert.deepEqual(said({ state: 'down', endpoint: here }, { state: 'down', endpoint: there }), [])
  assert.deepEqual(said(undefined, undefined), [])
})
