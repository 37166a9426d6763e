import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Superseded } from '../../../../../kubespan/sources/discovery/superseded.ts'

test('old seals are remembered by node, the last of each, of as many nodes as matter', () => {
  const superseded = new Superseded()
  superseded.add('a', 'one')
  assert.equal(superseded.has('a', 'one'), true)
  assert.equal(superseded.has('a', 'two'), false)
  assert.equal(superseded.has('b', 'one'), false)
  for (let count = 0; count < 16; count += 1) superseded.add('a', `next ${count}`)
  assert.equal(superseded.has('a', 'one'), false)
  assert.equal(superseded.has('a', 'next 0'), true)
  for (let count = 0; count < 2048; count += 1) superseded.add(`n${count}`, 'one')
  assert.equal(superseded.has('a', 'next 15'), false)
  assert.equal(superseded.has('n2047', 'one'), true)
})
