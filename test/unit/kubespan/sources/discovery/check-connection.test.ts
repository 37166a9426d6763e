import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkWhenWanted } from '../../../../../kubespan/sources/discovery/check-connection.ts'
import { Wake } from '../../../../../shared/wake.ts'
import { FakeDiscovery } from '../../../../support/fake-discovery.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const endpoint = { host: 'one', port: 443, plaintext: false }

test('it ends with the connection, asked or not', async () => {
  for (const isAsked of [false, true]) {
    const service = new FakeDiscovery()
    const clock = new ManualClock()
    const wanted = new Wake()
    const session = new AbortController()
    const checking = checkWhenWanted(service.dial(endpoint), wanted, clock, session.signal)
    if (isAsked) wanted.set()
    await clock.advance(1)
    session.abort()
    await checking
    assert.equal(service.hellos, isAsked ? 1 : 0)
  }
})

test('what fails in another way than by a refusal ends it with that error', async () => {
  const service = new FakeDiscovery()
  const wanted = new Wake()
  const { signal } = new AbortController()
  const checking = checkWhenWanted(service.dial(endpoint), wanted, new ManualClock(), signal)
  service.fault = new Error('read ECONNRESET')
  wanted.set()
  await assert.rejects(checking, /ECONNRESET/)
})
