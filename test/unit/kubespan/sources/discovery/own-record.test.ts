import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { farewellOf, sealAnew, sealOwnRecord } from '../../../../../kubespan/sources/discovery/own-record.ts'
import { decodeAffiliate } from '../../../../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../../../../shared/affiliate/seal.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const key = ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
const me = affiliateOf({ nodeId: 'me', publicKey: 'key', machineType: 'worker' })
let sealedAt = 1_800_000_000_000
const later = (): number => ++sealedAt
const at = (...endpoints: string[]) => ({
  ...me,
  kubespan: { ...me.kubespan, endpoints: endpoints as AddressPort[] },
})

test('an endpoint that does not fit is left out and told, the others are published', () => {
  for (const zone of ['eth0', 'a'.repeat(60), 'a'.repeat(240)]) {
    const record = sealOwnRecord(
      at('192.0.2.1:51820', `[fe80::1%${zone}]:51820`, '[2001:db8::1]:51820'),
      key,
      undefined,
      later,
    )
    assert.ok(record.data)
    assert.ok(record.endpoints.every(({ length }) => length <= 32))
    assert.equal(record.endpoints.length, zone === 'eth0' ? 3 : 2)
    assert.equal(record.problem?.includes(zone.slice(0, 60)), zone === 'eth0' ? undefined : true)
  }
})

test('a record that cannot be written is a problem and not an error', () => {
  const record = sealOwnRecord({ ...me, addresses: ['nonsense' as Address] }, key, undefined, later)
  assert.equal(record.data, undefined)
  assert.match(record.problem ?? '', /cannot be written/)
  assert.equal(sealOwnRecord({ ...me, addresses: ['nonsense' as Address] }, key, record, later), record)
})

const opened = (data: Uint8Array | undefined) => {
  const message = data && key.openAffiliate(data)
  return message && decodeAffiliate(message)
}

test('each sealing says when it was, later than the one before, and nothing new is no new sealing', () => {
  const first = sealOwnRecord(me, key, undefined, later)
  assert.equal(sealOwnRecord(me, key, first, later), first)
  const again = sealAnew(first, key, later)
  assert.equal(opened(again.data)?.sealedAt, (opened(first.data)?.sealedAt ?? 0) + 1)
  assert.equal(again.plaintext, first.plaintext)
})

test('a farewell names the node, and has neither KubeSpan nor addresses', () => {
  const record = at('192.0.2.1:51820')
  const { data, endpoints } = sealOwnRecord(
    farewellOf({ ...record, addresses: ['192.0.2.1'] as Address[] }),
    key,
    undefined,
    later,
  )
  assert.deepEqual(endpoints, [])
  const { nodeId, addresses, kubespan } = opened(data) ?? me
  assert.deepEqual([nodeId, addresses, kubespan.publicKey], ['me', [], ''])
})
