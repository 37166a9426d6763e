import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, parseAddress } from '../../../../shared/net/address.ts'
import { isUnicastHost } from '../../../../shared/net/unicast-host.ts'

const judge = (texts: readonly string[]): boolean[] =>
  texts.map((text) => isUnicastHost(parseAddress(text) as Address))

test('what one other host can have is an address of a host', () => {
  const hosts =
    '1.0.0.1 10.0.0.1 100.64.0.1 192.0.2.7 223.255.255.255 2001:db8::1 fd00::1 fe80::1 64:ff9b::1 ::ffff:192.0.2.7'
  assert.ok(judge(hosts.split(' ')).every(Boolean))
})

for (const [what, texts] of [
  ['nobody', '0.0.0.0 0.1.2.3 :: ::1.2.3.4 ::2 ::ffff:0.0.0.0'],
  ['this very host', '127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1'],
  ['many hosts', '224.0.0.1 239.255.255.255 255.255.255.255 ff02::1 ::ffff:224.0.0.1'],
  ['what is reserved', '240.0.0.0 254.1.1.1 ::ffff:240.0.0.1'],
  ['a link of some host', 'fe80::1%eth0 2001:db8::1%x'],
] as const)
  test(`the address of ${what} is none of a host`, () => {
    assert.ok(!judge(texts.split(' ')).some(Boolean), texts)
  })
