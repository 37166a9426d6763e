import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admission, IpRate, RATE_LIMITS } from '../../../../discovery/limits/ip-rate.ts'
import type { Address } from '../../../../shared/net/address.ts'

const A = '192.0.2.1' as Address
const B = '192.0.2.2' as Address

const show = (admission: Admission): string =>
  'refused' in admission ? admission.refused : String(Math.round(admission.wait))

/** Takes `count` tokens at once and shows the answers. */
const takeMany = (rate: IpRate, count: number, now: number, limit = Infinity, address = A): string[] =>
  Array.from({ length: count }, () => show(rate.take(address, now, limit)))

test('60 calls at once, then 15 each second, in the order of arrival', () => {
  const rate = new IpRate()
  assert.deepEqual(new Set(takeMany(rate, 60, 0)), new Set(['0']))
  assert.deepEqual(takeMany(rate, 4, 0), ['67', '133', '200', '267'])
  assert.deepEqual(takeMany(rate, 1, 1000), ['0'], 'a second later 15 tokens have come, 4 of them are taken')
})

test('1024 calls of one address take about 64 s (SPEC 1.7)', () => {
  const waits = takeMany(new IpRate(), 1024, 0)
  assert.equal(waits.at(-1), '64267')
})

test('a bucket never holds more than the burst', () => {
  const rate = new IpRate()
  takeMany(rate, 60, 0)
  assert.deepEqual(takeMany(rate, 61, 1e9).slice(-2), ['0', '67'])
})

test('addresses do not share', () => {
  const rate = new IpRate()
  takeMany(rate, 60, 0)
  assert.deepEqual(takeMany(rate, 1, 0, Infinity, B), ['0'])
})

test('who cannot wait so long is refused at once, and takes no token', () => {
  const rate = new IpRate()
  takeMany(rate, 61, 0)
  assert.deepEqual(takeMany(rate, 3, 0, 100), ['deadline', 'deadline', 'deadline'])
  assert.deepEqual(takeMany(rate, 2, 0, 134), ['133', 'deadline'])
})

test('only so many wait (S14)', () => {
  const rate = new IpRate({ ...RATE_LIMITS, queueMax: 2 })
  takeMany(rate, 60, 0)
  assert.deepEqual(takeMany(rate, 4, 0), ['67', '133', 'queue', 'queue'])
  assert.deepEqual(takeMany(rate, 2, 100), ['100', 'queue'])
})

test('who gives up gives back', () => {
  const rate = new IpRate()
  takeMany(rate, 61, 0)
  rate.giveBack(A)
  rate.giveBack(B)
  assert.deepEqual(takeMany(rate, 1, 0), ['67'])
})

test('a /64 shares a bucket, unless told otherwise', () => {
  const [one, two, far] = ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', '2001:db8:0:2::1'] as Address[]
  for (const [isIpv6ByNetwork, second] of [
    [true, '67'],
    [false, '0'],
  ] as const) {
    const rate = new IpRate({ ...RATE_LIMITS, isIpv6ByNetwork })
    takeMany(rate, 60, 0, Infinity, one)
    assert.deepEqual(takeMany(rate, 1, 0, Infinity, two), [second])
    assert.deepEqual(takeMany(rate, 1, 0, Infinity, far), ['0'])
  }
})

test('buckets that are full again are forgotten', () => {
  const rate = new IpRate()
  takeMany(rate, 15, 0)
  takeMany(rate, 1, 0, Infinity, B)
  assert.equal(rate.buckets, 2)
  rate.sweep(500)
  assert.equal(rate.buckets, 1)
  rate.sweep(1001)
  assert.equal(rate.buckets, 0)
})
