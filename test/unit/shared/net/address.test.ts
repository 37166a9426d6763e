import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Address,
  addressFromBytes,
  addressPortOf,
  addressToBytes,
  compareAddresses,
  comparePrefixes,
  familyOf,
  hostPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isPrivate,
  isValidPrefix,
  maskPrefix,
  type Prefix,
  parseAddress,
  parseAddressPort,
  parsePrefix,
  prefixContains,
  prefixOf,
  splitAddressPort,
  splitPrefix,
  withoutZone,
  zoneOf,
} from '../../../../shared/net/address.ts'

const address = (text: string): Address => {
  const parsed = parseAddress(text)
  assert.ok(parsed !== undefined, text)
  return parsed
}
const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text)
  assert.ok(parsed !== undefined, text)
  return parsed
}

const anyAddress: fc.Arbitrary<Address> = fc
  .oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.stringMatching(/^[a-z0-9.@_-]{1,15}$/))
      .map(([bytes, zone]) => Uint8Array.of(...bytes, ...Buffer.from(zone))),
  )
  .map((bytes) => addressFromBytes(bytes) as Address)

test('addresses become canonical text', () => {
  for (const [text, canonical] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::FFFF:A00:1', '::ffff:10.0.0.1'],
    ['FE80::1%Eth0', 'fe80::1%Eth0'],
    ['fe80::1%a%b/c', 'fe80::1%a%b/c'],
  ] as const)
    assert.equal(parseAddress(text), canonical)
  for (const text of [
    '',
    '10.0.0.1%eth0',
    'fe80::1%',
    'fe80::1%a b',
    'fe80::1%a\n',
    '%eth0',
    '10.0.0.0/8',
    'name',
  ])
    assert.equal(parseAddress(text), undefined, text)
})

test('text and bytes of any address stand for each other', () => {
  fc.assert(
    fc.property(anyAddress, (value) => {
      assert.equal(parseAddress(value), value)
      assert.equal(addressFromBytes(addressToBytes(value)), value)
    }),
  )
})

test('bytes of any other kind are no address', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const value = addressFromBytes(bytes)
      if (value === undefined) assert.ok(bytes.length !== 4 && bytes.length !== 16)
      else assert.deepEqual(addressToBytes(value), bytes)
    }),
  )
  const zoned = (zone: Uint8Array) => addressFromBytes(Uint8Array.of(...new Uint8Array(16), ...zone))
  assert.equal(zoned(Buffer.from('eth0')), '::%eth0')
  assert.equal(
    zoned(Buffer.from('a\nendpoint=b')),
    undefined,
    'a zone cannot add lines to the input of a tool',
  )
  assert.equal(zoned(Uint8Array.of(0xff)), undefined, 'not UTF-8')
  assert.throws(() => addressToBytes('nonsense' as Address), TypeError)
})

test('prefixes keep their host bits until they are masked', () => {
  assert.equal(prefix('10.1.2.3/8'), '10.1.2.3/8')
  for (const [text, masked] of [
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.1.2.255/31', '10.1.2.254/31'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['2001:db8::ffff/64', '2001:db8::/64'],
    ['2001:db8::ffff/127', '2001:db8::fffe/127'],
    ['::ffff:10.0.0.1/96', '::ffff:0.0.0.0/96'],
  ] as const)
    assert.equal(maskPrefix(prefix(text)), masked)
  for (const text of ['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/', '/8'])
    assert.equal(parsePrefix(text), undefined, text)
  for (const text of [
    '10.0.0.0/ 8',
    '10.0.0.0/8 ',
    '10.0.0.0/1e1',
    '10.0.0.0/0x8',
    'fe80::1%eth0/64',
    '1/2/3',
  ])
    assert.equal(parsePrefix(text), undefined, text)
})

test('a prefix that is made may be too long, and says so', () => {
  const tooLong = prefixOf(address('10.9.0.0'), 40)
  assert.equal(tooLong, '10.9.0.0/40')
  assert.equal(isValidPrefix(tooLong), false)
  assert.equal(isValidPrefix(prefixOf(address('::ffff:1.2.3.4'), 40)), true)
  assert.equal(isValidPrefix(prefixOf(address('::'), 4_294_967_295)), false)
  assert.deepEqual(splitPrefix(tooLong), { address: '10.9.0.0', bits: 40 })
  assert.equal(hostPrefix(address('10.0.0.1')), '10.0.0.1/32')
  assert.equal(hostPrefix(address('fe80::1%eth0')), 'fe80::1/128', 'a prefix has no zone')
  assert.equal(prefixContains(tooLong, address('10.9.0.0')), false)
})

test('a prefix contains addresses of its family only, and none with a zone', () => {
  for (const [outer, inner, contained] of [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.0.0.0', true],
    ['10.128.0.0/9', '10.127.255.255', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::ffff:1.2.3.4', false],
    ['::/0', '::ffff:1.2.3.4', true],
    ['::/0', '1.2.3.4', false],
    ['fe80::/10', 'febf::1', true],
    ['fe80::/10', 'fec0::1', false],
    ['fe80::/10', 'fe80::1%eth0', false],
  ] as const)
    assert.equal(prefixContains(prefix(outer), address(inner)), contained, `${inner} in ${outer}`)
})

test('a prefix contains what has the same masked prefix', () => {
  fc.assert(
    fc.property(anyAddress, anyAddress, fc.nat(32), (a, b, bits) => {
      const outer = prefixOf(a, bits)
      const same = familyOf(a) === familyOf(b) && maskPrefix(outer) === maskPrefix(prefixOf(b, bits))
      assert.equal(prefixContains(outer, b), same && zoneOf(b) === '')
    }),
  )
})

test('an address with its port is bracketed exactly when it is IPv6', () => {
  for (const text of ['1.2.3.4:0', '1.2.3.4:65535', '[::1]:80', '[fe80::1%eth0]:80', '[::ffff:1.2.3.4]:80']) {
    const value = parseAddressPort(text)
    assert.equal(value, text)
    assert.ok(value !== undefined)
    const { address, port } = splitAddressPort(value)
    assert.equal(parseAddress(address), address)
    assert.equal(addressPortOf(address, port), value)
  }
  assert.equal(parseAddressPort('[2001:DB8::1]:0080'), '[2001:db8::1]:80')
  for (const text of [
    '',
    ':80',
    '1.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:65536',
    '1.2.3.4:-1',
    '1.2.3.4:8a',
    '[1.2.3.4]:80',
  ])
    assert.equal(parseAddressPort(text), undefined, text)
  for (const text of [
    '::1:80',
    '[::1]',
    '[::1]80',
    '[::1:80',
    '::1]:80',
    'name:80',
    ' 1.2.3.4:80',
    '[[::1]]:80',
  ])
    assert.equal(parseAddressPort(text), undefined, text)
})

test('addresses split from their port as they were joined', () => {
  fc.assert(
    fc.property(anyAddress, fc.nat(65_535), (value, port) => {
      const joined = addressPortOf(value, port)
      assert.deepEqual(splitAddressPort(joined), { address: value, port })
      assert.equal(parseAddressPort(joined), joined)
      assert.equal(familyOf(joined), familyOf(value))
    }),
  )
})

test('families are told apart whatever the form', () => {
  for (const text of ['1.2.3.4', '255.1.1.1'])
    for (const value of [address(text), hostPrefix(address(text)), addressPortOf(address(text), 5)])
      assert.equal(familyOf(value), 4, value)
  for (const text of ['::', '1::', 'abcd::1', '::ffff:1.2.3.4', '::%.', '12::%1.2.3.4'])
    for (const value of [address(text), hostPrefix(address(text)), addressPortOf(address(text), 5)])
      assert.equal(familyOf(value), 6, value)
})

test('the order is IPv4, then value, then zone', () => {
  const sorted = ['0.0.0.9', '9.0.0.0', '10.0.0.0', '::', '::9', '::a', '::10', '::ffff:0.0.0.1', 'fe80::1']
  const zoned = [...sorted, 'fe80::1%a', 'fe80::1%b', 'fe80::2'].map(address)
  assert.deepEqual(zoned.toReversed().sort(compareAddresses), zoned)
  assert.equal(compareAddresses(address('::1'), address('::1')), 0)
  const prefixes = ['1.0.0.0/8', '1.0.0.0/9', '1.0.0.1/8', '2.0.0.0/7', '::/0', '::/128', '::1/0'].map(prefix)
  assert.deepEqual(prefixes.toReversed().sort(comparePrefixes), prefixes)
})

test('a zone comes off', () => {
  assert.equal(withoutZone(address('fe80::1%eth0')), 'fe80::1')
  assert.equal(zoneOf(address('fe80::1%eth0')), 'eth0')
  assert.equal(withoutZone(address('10.0.0.1')), '10.0.0.1')
  assert.equal(zoneOf(address('10.0.0.1')), '')
})

test('what an address is for can be seen, IPv4-mapped or not', () => {
  const classes = { loopback: isLoopback, multicast: isMulticast, linkLocal: isLinkLocal, private: isPrivate }
  for (const [text, ...expected] of [
    ['127.0.0.1', 'loopback'],
    ['127.255.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['224.0.0.1', 'multicast'],
    ['239.1.1.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['169.254.1.1', 'linkLocal'],
    ['fe80::1', 'linkLocal'],
    ['febf::1%eth0', 'linkLocal'],
    ['10.1.1.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.0.1', 'private'],
    ['192.168.0.1', 'private'],
    ['fd00::1', 'private'],
    ['fc00::1', 'private'],
    ...['8.8.8.8', '172.32.0.1', '192.169.0.1', '169.253.0.1', '240.0.0.1', '126.0.0.1'].map((one) => [one]),
    ...['2001:db8::1', '::', '::2', 'fec0::1', '::ffff:8.8.8.8', 'fe00::1'].map((one) => [one]),
  ] as const)
    assert.deepEqual(
      Object.entries(classes)
        .filter(([, holds]) => holds(address(text ?? '')))
        .map(([name]) => name),
      expected,
      text,
    )
})
