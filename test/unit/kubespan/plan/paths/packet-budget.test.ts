import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullBudget, nextTokenAt, refill } from '../../../../../kubespan/plan/paths/packet-budget.ts'

const settings = { packetsPerSecond: 100, burst: 5 }

test('it fills at its rate up to the burst, and never runs backwards', () => {
  const empty = { ...fullBudget(settings, 1000), tokens: 0 }
  assert.deepEqual(refill(empty, settings, 1020), { tokens: 2, at: 1020 })
  assert.deepEqual(refill(empty, settings, 9000), { tokens: 5, at: 9000 })
  assert.deepEqual(refill(empty, settings, 500), empty)
})

test('it says when there is a packet to be had again', () => {
  assert.equal(nextTokenAt({ tokens: 0, at: 1000 }, settings), 1010)
  assert.equal(nextTokenAt({ tokens: 0.5, at: 1000 }, settings), 1005)
  assert.equal(nextTokenAt({ tokens: 3, at: 1000 }, settings), 1000)
})
