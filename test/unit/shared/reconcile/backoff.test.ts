import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffDelay, CLIENT_BACKOFF } from '../../../../shared/reconcile/backoff.ts'

test('pauses grow by half from 500 ms, spread evenly around their middle, up to a minute', () => {
  const middles = [1, 2, 3].map((failures) => backoffDelay(CLIENT_BACKOFF, failures, 0.5))
  assert.deepEqual(middles, [500, 750, 1125])
  assert.equal(backoffDelay(CLIENT_BACKOFF, 1, 0), 250)
  assert.equal(backoffDelay(CLIENT_BACKOFF, 1, 0.999999) > 749, true)
  assert.equal(backoffDelay(CLIENT_BACKOFF, 1000, 0.5), 60_000)
  assert.equal(backoffDelay(CLIENT_BACKOFF, 0, 0.5), 500)
})
