import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  NO_TOLD_ADDRESSES,
  rememberTold,
  toldAddress,
} from '../../../../../kubespan/sources/discovery/told-addresses.ts'
import { type Address, addressToBytes, parseAddress } from '../../../../../shared/net/address.ts'

const told = (text: string): string | undefined => toldAddress(addressToBytes(parseAddress(text) as Address))

test('an address of a host is taken, an IPv4 one in IPv6 as what it means', () => {
  assert.deepEqual(['192.0.2.7', '10.0.0.7', '2001:db8::7', '::ffff:203.0.113.7'].map(told), [
    ...['192.0.2.7', '10.0.0.7', '2001:db8::7', '203.0.113.7'],
  ])
})

test('what no host can have is dropped where it comes in', () => {
  const texts =
    '0.0.0.0 255.255.255.255 240.0.0.1 224.0.0.1 127.0.0.1 169.254.1.1 :: ::1 ff02::1 fe80::1 2001:db8::7%eth0 ::ffff:127.0.0.1'
  for (const text of texts.split(' ')) assert.equal(told(text), undefined, text)
  const zone = Uint8Array.from([...new Array(16).fill(0x20), ...new Array(240).fill(0x61)])
  assert.equal(toldAddress(zone), undefined, 'a zone of 240')
  for (const length of [0, 3, 5, 15]) assert.equal(toldAddress(new Uint8Array(length)), undefined)
})

const [v4, v6, other] = ['192.0.2.7', '2001:db8::7', '198.51.100.1'] as Address[]

test('one address of each family is remembered of one place', () => {
  const both = rememberTold(rememberTold(NO_TOLD_ADDRESSES, 'one', v4), 'one', v6)
  assert.deepEqual(both.addresses, [v4, v6])
  assert.deepEqual(rememberTold(both, 'one', other).addresses, [v6, other])
})

test('what another place told is forgotten, and what this one no longer tells', () => {
  const known = rememberTold(NO_TOLD_ADDRESSES, 'one', v4)
  assert.deepEqual(rememberTold(known, 'two', v6).addresses, [v6])
  assert.deepEqual(rememberTold(known, 'one', undefined).addresses, [])
})
