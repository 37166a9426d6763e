import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConnectionEvery } from '../../../../../kubespan/sources/discovery/client-options.ts'

test('a connection is checked twice a minute, and more often where records live shortly', () => {
  assert.deepEqual([1_800_000, 300_000, 60_000].map(checkConnectionEvery), [30_000, 30_000, 6_000])
})
