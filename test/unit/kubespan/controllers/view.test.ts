import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_MEMORY, summarizeDaemon } from '../../../../kubespan/controllers/view.ts'
import { specOf, statusOf } from '../../../support/peers.ts'
import { settingsOf } from '../../../support/settings.ts'

test('a summary counts who is up, and names the services that are silent', () => {
  const memory = {
    ...EMPTY_MEMORY,
    specs: ['a', 'b', 'c'].map((publicKey) => specOf({ publicKey })),
    statuses: new Map([
      ['a', statusOf({ state: 'up' })],
      ['b', statusOf({ state: 'down' })],
    ]),
  }
  const services = ['one', 'two'].map((name) => ({
    name,
    endpoint: 'd.example:443',
    isRedirected: false,
    connected: name === 'one',
    hasSnapshot: true,
    lastContactAt: 0,
    publicAddresses: [],
    isUnpublished: false,
    problem: undefined,
    affiliates: 0,
  }))
  const summary = {
    enabled: true,
    peers: 3,
    peersUp: 1,
    silentServices: ['two'],
    problem: undefined,
  }
  assert.deepEqual(summarizeDaemon({ memory, settings: settingsOf(), services }), summary)
  const lastReconcile = { at: 0, durationMilliseconds: 1, changes: 0, error: 'nft: busy' }
  assert.deepEqual(
    summarizeDaemon({ memory: { ...memory, lastReconcile }, settings: settingsOf(), services: [] }),
    { ...summary, silentServices: [], problem: 'nft: busy' },
  )
})
