import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Refusal } from '../../../../discovery/validation/refusal.ts'
import {
  type Request,
  refuseAffiliate,
  refuseCluster,
  refuseUpdate,
  refuseVersion,
} from '../../../../discovery/validation/requests.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61)
const request = (over: Partial<Request>): Request => ({
  clusterId: 'c',
  affiliateId: 'a',
  data: undefined,
  endpoints: [],
  ttl: 0,
  ...over,
})
const textOf = (refusal: Refusal | undefined): string | undefined =>
  refusal === undefined ? undefined : refusal.kind === 'invalid' ? refusal.what : assert.fail(refusal.kind)

const ids: { id: string | undefined; want: string | undefined; why: string }[] = [
  { id: '', want: "can't be empty", why: 'nothing' },
  { id: 'x', want: undefined, why: 'one byte' },
  { id: 'x'.repeat(256), want: undefined, why: '256 bytes' },
  { id: 'x'.repeat(257), want: 'is too long', why: '257 bytes' },
  { id: 'ü'.repeat(128), want: undefined, why: '256 bytes in 128 characters' },
  { id: `${'ü'.repeat(128)}x`, want: 'is too long', why: '257 bytes in 129 characters' },
  { id: '€'.repeat(86), want: 'is too long', why: '258 bytes in 86 characters' },
  { id: '💡'.repeat(64), want: undefined, why: '256 bytes in surrogates' },
  { id: undefined, want: 'is not valid UTF-8', why: 'no UTF-8 (S17)' },
]
for (const { id, want, why } of ids)
  test(`an id of ${why}`, () => {
    assert.equal(textOf(refuseCluster(request({ clusterId: id }))), want && `cluster ID ${want}`)
    assert.equal(textOf(refuseAffiliate(request({ affiliateId: id }))), want && `affiliate ID ${want}`)
  })

test('a client says its version in UTF-8, or not at all', () => {
  assert.equal(refuseVersion(request({ affiliateId: '' })), undefined)
  assert.equal(refuseVersion(request({ affiliateId: 'v1.2.3' })), undefined)
  assert.equal(
    textOf(refuseVersion(request({ affiliateId: undefined }))),
    'client version is not valid UTF-8',
  )
})

const updates: { name: string; over: Partial<Request>; want: string | undefined }[] = [
  { name: 'nothing at all', over: {}, want: undefined },
  { name: 'data of 2048 bytes', over: { data: bytes(2048) }, want: undefined },
  { name: 'more data', over: { data: bytes(2049) }, want: 'affiliate data is too big' },
  { name: 'endpoints of 1 and 32 bytes', over: { endpoints: [bytes(1), bytes(32)] }, want: undefined },
  {
    name: 'a longer endpoint',
    over: { endpoints: [bytes(32), bytes(33)] },
    want: 'affiliate endpoint is too big',
  },
  {
    name: 'an empty endpoint (S12)',
    over: { endpoints: [bytes(0)] },
    want: "affiliate endpoint can't be empty",
  },
  { name: 'a negative ttl', over: { ttl: -1 }, want: undefined },
  { name: 'a ttl of 30 minutes', over: { ttl: 1_800_000 }, want: undefined },
  { name: 'one more nanosecond', over: { ttl: 1_800_000 + 1e-6 }, want: 'ttl is too large' },
  {
    name: 'too much data and a bad endpoint: data comes first',
    over: { data: bytes(2049), endpoints: [bytes(33)] },
    want: 'affiliate data is too big',
  },
  {
    name: 'a bad endpoint and a bad ttl: the endpoint comes first',
    over: { endpoints: [bytes(33)], ttl: 1e12 },
    want: 'affiliate endpoint is too big',
  },
]
for (const { name, over, want } of updates)
  test(`an update with ${name}`, () => assert.equal(textOf(refuseUpdate(request(over))), want))
