import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Forgotten, type Listed } from '../../../../../kubespan/controllers/members/forgotten.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const listing = (...stamps: readonly string[]): Listed => ({
  kubernetes: undefined,
  reports: stamps.map((stamp, place) => ({
    name: `service-${place}`,
    isConnected: true,
    lastContactAt: 0,
    departures: new Map(),
    affiliates: new Map(
      stamp === ''
        ? []
        : [
            [
              'old',
              {
                affiliate: affiliateOf({ nodeId: 'old', endpoints: [`192.0.2.${place}:1` as AddressPort] }),
                changedAt: 0,
                stamp,
              },
            ],
          ],
    ),
  })),
})

test('a record that was forgotten is ignored for as long as the same one is listed', () => {
  const forgotten = new Forgotten()
  forgotten.forget('old', listing('a', 'b'))
  assert.deepEqual([...forgotten.named], ['old'])
  forgotten.done(forgotten.named)
  assert.deepEqual([...forgotten.named], [])
  const ignored = forgotten.ignored(listing('a', 'b'))
  assert.deepEqual([...ignored], ['old'])
  assert.equal(forgotten.ignored(listing('', 'b')), ignored, 'one of the services has dropped it')
  assert.deepEqual([...forgotten.ignored(listing('a', 'c'))], [], 'its node has published it anew')
  assert.deepEqual([...forgotten.ignored(listing('a', 'b'))], [], 'once and for all')
})

test('a record that has ended is new when it comes back', () => {
  const forgotten = new Forgotten()
  forgotten.forget('old', listing('a'))
  assert.equal(forgotten.ignored(listing('a')).size, 1)
  assert.equal(forgotten.ignored(listing('')).size, 0)
  assert.equal(forgotten.ignored(listing('a')).size, 0)
})

test('whom no source lists is only named', () => {
  const forgotten = new Forgotten()
  forgotten.forget('old', listing(''))
  assert.deepEqual([...forgotten.named], ['old'])
  assert.equal(forgotten.ignored(listing('a')).size, 0)
})
