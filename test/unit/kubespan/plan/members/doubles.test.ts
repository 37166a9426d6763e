import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DOUBLED_FOR,
  doubledIds,
  followDoubles,
  steadied,
  type Trails,
} from '../../../../../kubespan/plan/members/doubles.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const says = (addresses: string, publicKey = 'key'): Affiliate =>
  affiliateOf({
    nodeId: 'me',
    publicKey,
    address: 'fd00::1' as Address,
    addresses: addresses.split(' ').map((address) => address as Address),
  })

/** What one record says every so many milliseconds; whether two machines are seen behind it at the end. */
function told(
  said: readonly Affiliate[],
  every = 5_000,
  others: readonly Affiliate[] = [],
  stamps: readonly string[] = [],
) {
  let trails: Trails = new Map()
  let now = 0
  for (const [place, affiliate] of said.entries()) {
    const stampOf = () => stamps[place] ?? `sealed at ${now}`
    trails = followDoubles({ before: trails, affiliates: [affiliate, ...others], stampOf, now })
    now += every
  }
  return { trails, now: now - every, isTold: doubledIds(trails, now - every).length > 0 }
}
const [one, other] = [says('192.0.2.1 fd00::1'), says('198.51.100.2 fd00::1')]

test('a record that says the one thing, the other, and both again is that of two machines', () => {
  assert.equal(told([one, other, one]).isTold, false)
  assert.equal(told([one, other, one, other]).isTold, true)
  assert.equal(told([one, one, other, other, one, one, other]).isTold, true)
})

test('however long it has been the same before, and each time that it changes hands it is told of for longer', () => {
  const { trails, now } = told([...Array.from({ length: 1_000 }, () => one), other, one, other])
  assert.deepEqual(doubledIds(trails, now + DOUBLED_FOR - 1), ['me'])
  assert.deepEqual(doubledIds(trails, now + DOUBLED_FOR), [])
  const later = followDoubles({
    ...{ before: trails, affiliates: [one], now: now + 900_000 },
    stampOf: () => undefined,
  })
  assert.deepEqual(doubledIds(later, now + DOUBLED_FOR), ['me'])
})

test('a copy that says a little more with each of its first steps is still one machine', () => {
  const copy = ['198.51.100.2', '198.51.100.2 fd00::1', '198.51.100.2 2001:db8::2 fd00::1'].map((text) =>
    says(text),
  )
  assert.equal(told([one, ...copy, one, ...copy.slice(-1)], 2_000).isTold, true)
  assert.equal(told([one, ...copy, one], 2_000).isTold, false)
})

test('ordinary changes are none', () => {
  const quiet: Record<string, readonly Affiliate[]> = {
    'a link that comes and goes': [
      says('192.0.2.1 192.0.2.9'),
      says('192.0.2.1'),
      says('192.0.2.1 192.0.2.9'),
      says('192.0.2.1'),
    ],
    'a machine that moves on and on': ['1', '2', '3', '4', '5'].map((last) => says(`192.0.2.${last}`)),
    'two floating addresses that change places': [
      says('192.0.2.1 192.0.2.8'),
      says('192.0.2.1 192.0.2.9'),
      says('192.0.2.1 192.0.2.8'),
      says('192.0.2.1 192.0.2.9'),
    ],
    'a link of all that goes and comes': [one, says('fd00::1'), one, says('fd00::1')],
    'the same under new seals': Array.from({ length: 9 }, () => says('192.0.2.1')),
    'a replay of an old record': [
      says('192.0.2.1', 'old'),
      says('192.0.2.1'),
      says('192.0.2.1', 'old'),
      says('192.0.2.1', 'new'),
    ],
  }
  for (const [what, said] of Object.entries(quiet)) assert.equal(told(said).isTold, false, what)
  assert.equal(told([one, other, one, other], 60_000).isTold, false, 'a laptop between two networks')
})

test('what a service replays bears a seal that was seen before', () => {
  const [old, young] = [says('192.0.2.1', 'old key'), says('192.0.2.1')]
  const isTold = (stamps: readonly string[]) => told([old, young, old, young], 5_000, [], stamps).isTold
  assert.equal(isTold(['a', 'b', 'a', 'b']), false)
  assert.equal(isTold(['a', 'b', 'a', 'c']), false)
  assert.equal(isTold(['a', 'b', 'c', 'd']), true)
})

test('an address that others have as well, as that of a bridge, is nobody’s own', () => {
  const [left, right] = [says('192.0.2.1 172.17.0.1'), says('198.51.100.2 172.17.0.1')]
  const third = affiliateOf({ nodeId: 'other', addresses: ['172.17.0.1' as Address] })
  assert.equal(told([left, right, left, right], 5_000, [third]).isTold, true)
  assert.equal(told([left, right, left, right]).isTold, false)
})

test('keys that take turns are those of two machines wherever they are', () => {
  const [left, right] = [says('192.0.2.1', 'one'), says('192.0.2.1', 'two')]
  assert.equal(told([left, right, left, right]).isTold, true)
})

test('what is planned of two machines is the same whichever spoke last', () => {
  const [odd, even] = [told([one, other, one, other]), told([one, other, one, other, one])]
  const [first, second] = [odd, even].map(({ trails }) => steadied(trails.get('me') as never))
  assert.deepEqual(first, second)
  assert.deepEqual(new Set(first?.addresses), new Set(['192.0.2.1', 'fd00::1', '198.51.100.2']))
})
