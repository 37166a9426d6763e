import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clipped } from '../../../shared/printable.ts'

test('what another machine says is clipped, and no terminal obeys it', () => {
  assert.equal(clipped('connection refused'), 'connection refused')
  assert.equal(clipped('\u001b[2J\n'), '\\u001b[2J\\u000a')
  assert.equal(clipped('x'.repeat(100_000), 5), 'xxxxx…')
  assert.ok(clipped('\u001b'.repeat(100_000)).length < 300)
})
