import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeUnvouched } from '../../../../../kubespan/plan/members/describe-unvouched.ts'
import type { RetainedAffiliate } from '../../../../../kubespan/plan/members/retain.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const entry = (n: number, said: Partial<RetainedAffiliate> = {}): RetainedAffiliate => ({
  affiliate: affiliateOf({ nodeId: `n${n}`, nodename: n === 9 ? '' : `node-${n}`, publicKey: `key-${n}` }),
  unconfirmedUntil: undefined,
  soleClaims: [],
  ...said,
})
const describe = (retained: readonly RetainedAffiliate[], isComplete = true, up = true): string[] =>
  describeUnvouched({ retained, isComplete, stateOf: () => (up ? 'up' : 'down') })
const unvouched = { unconfirmedUntil: Infinity }

test('nothing is said of members that a source vouches for, nor before any has spoken', () => {
  assert.deepEqual(describe([entry(1), entry(2)]), [])
  assert.deepEqual(describe([entry(1, unvouched)], false), [])
  assert.deepEqual(describe([entry(1, { unconfirmedUntil: 5 })], true, false), [], 'nor of silent ones')
})

test('live peers without a voucher are counted and named, the first of many', () => {
  assert.match(
    describe([entry(1, unvouched), entry(2)])[0] ?? '',
    /for 1 live peer: node-1\. A live peer stays/,
  )
  const many = [9, 1, 2, 3, 4, 5, 6].map((n) => entry(n, unvouched))
  assert.match(describe(many)[0] ?? '', /7 live peers: n9, node-1, node-2, node-3, node-4 and 2 more\./)
})

test('what is dropped because its owner is gone is told with how to end it', () => {
  const held = { unconfirmedUntil: 5, held: ['10.0.0.0/8' as never] }
  assert.match(
    describe([entry(1, held)])[0] ?? '',
    /what node-1 owned are dropped.*for it any more.*kubespan forget/,
  )
  assert.match(describe([entry(1, held), entry(2, held)])[0] ?? '', /node-1, node-2 owned.*for them/)
})
