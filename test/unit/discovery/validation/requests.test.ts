import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type RequestFields,
  refuseAffiliateId,
  refuseClusterId,
  refuseUpdate,
  textOf,
} from '../../../../discovery/validation/requests.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61)
const fields = (over: Partial<RequestFields>): RequestFields => ({
  clusterId: bytes(1),
  affiliateId: bytes(1),
  data: bytes(0),
  endpoints: [],
  ttl: 0,
  ...over,
})
const textOfRefusal = (refusal: ReturnType<typeof refuseUpdate>): string | undefined =>
  refusal === undefined ? undefined : refusal.kind === 'invalid' ? refusal.what : assert.fail(refusal.kind)

test('cluster ids have 1 to 256 bytes', () => {
  assert.equal(textOfRefusal(refuseClusterId(bytes(0))), "cluster ID can't be empty")
  assert.equal(refuseClusterId(bytes(1)), undefined)
  assert.equal(refuseClusterId(bytes(256)), undefined)
  assert.equal(textOfRefusal(refuseClusterId(bytes(257))), 'cluster ID is too long')
})

test('affiliate ids have 1 to 256 bytes', () => {
  assert.equal(textOfRefusal(refuseAffiliateId(bytes(0))), "affiliate ID can't be empty")
  assert.equal(refuseAffiliateId(bytes(256)), undefined)
  assert.equal(textOfRefusal(refuseAffiliateId(bytes(257))), 'affiliate ID is too long')
})

const updates: { name: string; over: Partial<RequestFields>; want: string | undefined }[] = [
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
    name: 'data is looked at before endpoints',
    over: { data: bytes(2049), endpoints: [bytes(33)] },
    want: 'affiliate data is too big',
  },
  {
    name: 'endpoints are looked at before the ttl',
    over: { endpoints: [bytes(33)], ttl: 1e12 },
    want: 'affiliate endpoint is too big',
  },
]
for (const { name, over, want } of updates)
  test(`an update with ${name}`, () => assert.equal(textOfRefusal(refuseUpdate(fields(over))), want))

test('ids are UTF-8, whatever it says (S17)', () => {
  for (const text of ['', 'abc', 'ü', '\ufeffx', '\ufffd', '💡'])
    assert.equal(textOf(Buffer.from(text)), text)
  for (const hex of ['ff', 'c0af', 'eda080', 'f5808080', '61c3'])
    assert.equal(textOf(Buffer.from(hex, 'hex')), undefined)
})
