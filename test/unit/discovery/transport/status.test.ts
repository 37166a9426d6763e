import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeStatusMessage,
  parseTimeout,
  STATUS,
  statusName,
  statusTrailers,
  toStatus,
} from '../../../../discovery/transport/status.ts'
import type { Refusal } from '../../../../discovery/validation/refusal.ts'

const refusals: { refusal: Refusal; want: string }[] = [
  {
    refusal: { kind: 'invalid', what: 'ttl is too large' },
    want: 'InvalidArgument: ttl is too large',
  },
  {
    refusal: { kind: 'full', what: 'affiliates' },
    want: 'ResourceExhausted: too many affiliates in the cluster',
  },
  {
    refusal: { kind: 'full', what: 'endpoints' },
    want: 'ResourceExhausted: too many endpoints in the affiliate',
  },
  { refusal: { kind: 'throttled' }, want: 'ResourceExhausted: rate limit exceeds request timeout' },
  { refusal: { kind: 'crowded', what: 'no room' }, want: 'ResourceExhausted: no room' },
  { refusal: { kind: 'forbidden' }, want: 'PermissionDenied: this service does not serve this cluster' },
]
for (const { refusal, want } of refusals)
  test(`a refusal of kind ${refusal.kind} is answered with ${want}`, () => {
    const { code, message } = toStatus(refusal)
    assert.equal(`${statusName(code)}: ${message}`, want)
  })

test('messages are percent-encoded where HTTP wants it', () => {
  assert.equal(encodeStatusMessage("affiliate ID can't be empty"), "affiliate ID can't be empty")
  assert.equal(encodeStatusMessage('100% ü\n💡~'), '100%25 %C3%BC%0A%F0%9F%92%A1~')
})

test('trailers name the message only when there is one', () => {
  assert.deepEqual(statusTrailers({ code: STATUS.OK, message: '' }), { 'grpc-status': '0' })
  assert.deepEqual(statusTrailers({ code: STATUS.Aborted, message: '50%' }), {
    'grpc-status': '10',
    'grpc-message': '50%25',
  })
})

const timeouts: [text: string, want: number | undefined][] = [
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['4m', 4],
  ['5u', 0.005],
  ['6n', 0.000006],
  ['2147483S', 2_147_483_000],
  ['99999999S', Infinity],
  ['0m', 0],
  ['999999999S', undefined],
  ['', undefined],
  ['S', undefined],
  ['1', undefined],
  ['1s', undefined],
  ['-1S', undefined],
  ['1.5S', undefined],
  [' 1S', undefined],
]
for (const [text, want] of timeouts)
  test(`grpc-timeout "${text}"`, () => {
    const got = parseTimeout(text)
    if (want === undefined || want === Infinity) assert.equal(got, want)
    else assert.ok(Math.abs((got ?? Number.NaN) - want) <= want * 1e-12)
  })
