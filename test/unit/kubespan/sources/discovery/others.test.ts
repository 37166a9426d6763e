import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OthersRecord } from '../../../../../kubespan/sources/discovery/others.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const one = '192.0.2.1:51820' as AddressPort
const two = '192.0.2.2:51820' as AddressPort
const ids = (record: OthersRecord, now: number, age = 100): string[] =>
  record.due(now, age).map(({ affiliateId }) => affiliateId)

function tellAll(record: OthersRecord, now: number): void {
  for (const telling of record.due(now, 100)) record.told(telling, now)
}

test('what is new is due, and only that', () => {
  const record = new OthersRecord()
  const first = new Map([
    ['a', [one]],
    ['b', [one]],
  ])
  assert.equal(record.want(first), true)
  tellAll(record, 0)
  assert.equal(record.want(new Map(first)), false)
  assert.deepEqual(ids(record, 99), [])
  assert.equal(record.want(new Map([...first, ['b', [two]], ['c', [one]]])), true)
  assert.deepEqual(ids(record, 99), ['b', 'c'])
})

test('what was told is due again when it is old, or nobody remembers', () => {
  const record = new OthersRecord()
  record.want(new Map([['a', [one]]]))
  tellAll(record, 0)
  assert.deepEqual(ids(record, 100), ['a'])
  tellAll(record, 100)
  assert.deepEqual(ids(record, 150), [])
  record.forgetTold()
  assert.deepEqual(ids(record, 150), ['a'])
})

test('who is no longer wanted is no news, and is told anew when it comes back', () => {
  const record = new OthersRecord()
  record.want(new Map([['a', [one]]]))
  tellAll(record, 0)
  assert.equal(record.want(new Map()), false)
  assert.deepEqual(ids(record, 1), [])
  assert.equal(record.want(new Map([['a', [one]]])), true)
  assert.deepEqual(ids(record, 1), ['a'])
})

test('what changes while it is told is due again', () => {
  const record = new OthersRecord()
  record.want(new Map([['a', [one]]]))
  const [telling] = record.due(0, 100)
  assert.ok(telling)
  record.want(new Map([['a', [two]]]))
  record.told(telling, 1)
  assert.deepEqual(ids(record, 1), ['a'])
})
