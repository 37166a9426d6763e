import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatBytes, isIpv4Mapped, parseIpv4, parseIpv6 } from '../../../../shared/net/address-text.ts'

/** Bytes with many zeros, so that runs of them are of all lengths. */
const sixteenBytes = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  .map((bytes) => Uint8Array.from(bytes))

const addressLike = (characters: string) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 24 })

test('IPv4 is four numbers without leading zeros', () => {
  assert.deepEqual(parseIpv4('0.10.200.255'), Uint8Array.of(0, 10, 200, 255))
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.00',
  ])
    assert.equal(parseIpv4(text), undefined, text)
  for (const text of [' 1.2.3.4', '1.2.3.4 ', '1.2.3.4%e', '1.2.3.0x1', '１.2.3.4', '1.2.3.-4', '4294967295'])
    assert.equal(parseIpv4(text), undefined, text)
})

test('IPv6 may leave out groups of zeros once, and end in IPv4', () => {
  for (const [text, canonical] of [
    ['::', '::'],
    ['1::', '1::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:0:0:0:01', '2001:db8::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::1.2.3.4', '::102:304'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['::ffff:102:304', '::ffff:1.2.3.4'],
    ['0:0:1:0:0:0:1:1', '0:0:1::1:1'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ] as const) {
    const bytes = parseIpv6(text)
    assert.ok(bytes !== undefined, text)
    assert.equal(formatBytes(bytes), canonical)
  }
  for (const text of [
    ...[
      '',
      ':',
      ':::',
      ':1',
      '1:',
      '1:2',
      '1::2::3',
      '1:2:3:4:5:6:7::8',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      'g::',
    ],
    ...[
      '::1.2.3',
      '1.2.3.4::',
      '::1.2.3.4:5',
      '1.2.3.4::1',
      '1:2:3:4:5:6:7:1.2.3.4',
      '::01.2.3.4',
      '::1 ',
      '[::1]',
    ],
  ])
    assert.equal(parseIpv6(text), undefined, text)
})

test('text of bytes reads back as the bytes, and is what a browser writes', () => {
  fc.assert(
    fc.property(sixteenBytes, (bytes) => {
      const text = formatBytes(bytes)
      assert.deepEqual(parseIpv6(text), bytes)
      if (!isIpv4Mapped(bytes)) assert.equal(`[${text}]`, new URL(`http://[${text}]/`).hostname)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      assert.deepEqual(parseIpv4(formatBytes(bytes)), bytes)
    }),
  )
})

test('what is an address is what others call one', () => {
  fc.assert(
    fc.property(addressLike('0125.'), (text) => assert.equal(parseIpv4(text) !== undefined, isIPv4(text))),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(addressLike('01f:::.'), (text) => assert.equal(parseIpv6(text) !== undefined, isIPv6(text))),
    { numRuns: 1000 },
  )
})
