import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleOwnership } from '../../../../../kubespan/plan/peers/ownership.ts'
import type { Prefix } from '../../../../../shared/net/address.ts'

const claims = (...texts: string[][]) => texts as Prefix[][]

test('the first to ask has it, the others get minimal covers of the rest', () => {
  const { owned, overlaps, contested } = settleOwnership(
    claims(['10.0.0.1/32'], ['10.0.0.0/30', '10.0.0.4/30'], ['10.0.0.0/29', 'fd00::1/128']),
  )
  assert.deepEqual(owned, [['10.0.0.1/32'], ['10.0.0.0/32', '10.0.0.2/31', '10.0.0.4/30'], ['fd00::1/128']])
  assert.deepEqual(overlaps, [
    { loser: 2, owner: 1, prefixes: ['10.0.0.0/30', '10.0.0.4/30'] },
    { loser: 1, owner: 0, prefixes: ['10.0.0.1/32'] },
  ])
  assert.equal(contested.size, 0, 'no two ask for the same prefix')
})

test('halves are joined, also when one lies within another', () => {
  const [owned] = settleOwnership(
    claims(['10.0.0.0/25', '10.0.0.128/25', '10.1.0.0/16', '10.1.2.0/24', '::/1', '8000::/1']),
  ).owned
  assert.deepEqual(owned, ['10.0.0.0/24', '10.1.0.0/16', '::/0'])
})

test('neighbours that are not halves of one prefix stay apart, and families do not mix', () => {
  const apart = claims(['10.0.0.1/32', '10.0.0.2/32', '10.0.1.0/24', '10.0.2.0/24', '::/96'])
  assert.deepEqual(settleOwnership(apart).owned, apart)
  assert.deepEqual(settleOwnership(claims(['0.0.0.0/0'], ['::/0'])).overlaps, [])
})

test('with holders the more specific one wins, and a broader one is given whole', () => {
  const asked = claims(['0.0.0.0/0', '10.0.0.9/32'], ['10.0.0.8/32', '10.0.0.9/32'])
  const byRank = settleOwnership(asked, () => undefined)
  assert.deepEqual(byRank.owned, [['0.0.0.0/0', '10.0.0.9/32'], ['10.0.0.8/32']])
  assert.deepEqual([...byRank.contested], [['10.0.0.9/32', [0, 1]]])

  const handedOver = settleOwnership(asked, (prefix) => (prefix === '10.0.0.9/32' ? 1 : undefined))
  assert.deepEqual(handedOver.owned, [['0.0.0.0/0'], ['10.0.0.8/32', '10.0.0.9/32']])
  assert.deepEqual(handedOver.overlaps, [{ loser: 0, owner: 1, prefixes: ['10.0.0.8/32', '10.0.0.9/32'] }])
})

test('of nobody nothing', () => {
  assert.deepEqual(settleOwnership([]), { owned: [], overlaps: [], contested: new Map() })
  assert.deepEqual(settleOwnership([[]]).owned, [[]])
})
