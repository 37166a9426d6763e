import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ClientAddress,
  chooseClientAddress,
  type ForwardHeader,
  IGNORED_HEADER_MAX_WARNINGS,
  IgnoredHeaders,
  judgePeer,
} from '../../../../discovery/transport/client-address.ts'
import { type Address, addressToBytes, type Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'

const proxies = PrefixSet.of(['127.0.0.0/8' as Prefix, '::1/128' as Prefix, 'fd00::/8' as Prefix])
const bothTrusted = { 'x-real-ip': true, 'x-forwarded-for': true }

/** As node:http2 gives them: a joined record and the pairs. */
function choose(
  from: string | undefined,
  pairs: readonly (readonly [string, string])[],
  trust: Record<ForwardHeader, boolean> = bothTrusted,
): ClientAddress {
  const joined: Record<string, string> = {}
  for (const [name, value] of pairs)
    joined[name] = joined[name] === undefined ? value : `${joined[name]}, ${value}`
  const { address, ignoredHeader } = chooseClientAddress(
    judgePeer(from, proxies),
    joined,
    pairs.flat(),
    trust,
  )
  return { address, ignoredHeader }
}
const chosen = (...args: Parameters<typeof choose>): string | undefined => choose(...args).address

test('without headers it is the peer', () => {
  assert.equal(chosen('192.0.2.1', []), '192.0.2.1')
  assert.equal(chosen('::ffff:192.0.2.1', []), '192.0.2.1', 'an IPv4 client of a dual-stack socket')
  assert.equal(chosen('2001:db8::1', []), '2001:db8::1')
  assert.equal(chosen('fe80::1%eth0', []), 'fe80::1%eth0')
  assert.equal(chosen(undefined, []), undefined)
})

test('of a trusted proxy, X-Real-IP comes first, then the first of X-Forwarded-For', () => {
  const forwarded = ['x-forwarded-for', ' 198.51.100.2 , 10.0.0.1'] as const
  assert.equal(chosen('127.0.0.1', [['x-real-ip', '203.0.113.5'], forwarded]), '203.0.113.5')
  assert.equal(chosen('127.0.0.1', [forwarded]), '198.51.100.2')
  assert.equal(chosen('fd00::7', [forwarded]), '198.51.100.2')
  assert.equal(chosen('::ffff:127.0.0.1', [forwarded]), '198.51.100.2')
})

test('X-Real-IP is taken exactly; what does not parse falls through', () => {
  for (const bad of [' 203.0.113.5', '203.0.113.5, 1.1.1.1', '203.0.113.05', '', 'unknown'])
    assert.equal(
      chosen('127.0.0.1', [
        ['x-real-ip', bad],
        ['x-forwarded-for', '198.51.100.2'],
      ]),
      '198.51.100.2',
      bad,
    )
  assert.equal(chosen('127.0.0.1', [['x-forwarded-for', 'nonsense, 198.51.100.2']]), '127.0.0.1')
})

test('of repeated headers only the first counts', () => {
  assert.equal(
    chosen('127.0.0.1', [
      ['x-real-ip', '203.0.113.5'],
      ['x-real-ip', '203.0.113.6'],
    ]),
    '203.0.113.5',
  )
  assert.equal(
    chosen('127.0.0.1', [
      ['x-real-ip', 'bad'],
      ['x-real-ip', '203.0.113.6'],
    ]),
    '127.0.0.1',
  )
  const { address } = chooseClientAddress(
    judgePeer('127.0.0.1', proxies),
    { 'x-real-ip': '1.1.1.1' },
    [],
    bothTrusted,
  )
  assert.equal(address, '127.0.0.1', 'headers that are not there cannot be read')
})

test('an IPv4 client is one however a proxy spells it', () => {
  for (const text of [
    '203.0.113.7',
    '::ffff:203.0.113.7',
    '::FFFF:CB00:7107',
    '203.0.113.7:4711',
    '[::ffff:203.0.113.7]:4711',
  ])
    for (const header of ['x-real-ip', 'x-forwarded-for']) {
      const address = chosen('127.0.0.1', [[header, text]]) as Address
      assert.deepEqual([...addressToBytes(address)], [203, 0, 113, 7], `${header}: ${text}`)
    }
})

test('an IPv6 client may stand in brackets, with a port or without', () => {
  for (const text of ['2001:db8::7', '2001:DB8:0::7', '[2001:db8::7]', '[2001:db8::7]:4711'])
    for (const header of ['x-real-ip', 'x-forwarded-for']) {
      const address = chosen('127.0.0.1', [[header, text]]) as Address
      assert.equal(address, '2001:db8::7', `${header}: ${text}`)
      assert.equal(addressToBytes(address).length, 16)
    }
})

test('X-Forwarded-For may be spelled as Forwarded', () => {
  for (const text of [
    'for=203.0.113.7',
    'For="203.0.113.7:4711"',
    '"203.0.113.7"',
    'for=203.0.113.7;proto=https, 10.0.0.1',
  ])
    assert.equal(chosen('127.0.0.1', [['x-forwarded-for', text]]), '203.0.113.7', text)
  assert.equal(chosen('127.0.0.1', [['x-forwarded-for', 'for="[2001:db8::7]:4711"']]), '2001:db8::7')
  for (const text of [
    'for=_hidden',
    'for=unknown',
    '203.0.113.7:port',
    '203.0.113.7:',
    '203.0.113.7:65536',
    '[203.0.113.7]',
    '[203.0.113.7]:1',
    '[2001:db8::7',
    '2001:db8::7]:1',
    '203.0.113.7 :1',
  ])
    assert.equal(chosen('127.0.0.1', [['x-forwarded-for', text]]), '127.0.0.1', text)
  assert.equal(chosen('127.0.0.1', [['x-real-ip', '"203.0.113.7"']]), '127.0.0.1', 'X-Real-IP is one address')
})

test('a zoned address in a header stays what it is (SPEC 1.6)', () => {
  const zoned = chosen('127.0.0.1', [['x-real-ip', 'fe80::1%en0']]) as Address
  assert.equal(addressToBytes(zoned).length, 16 + 3)
})

test('each header can be turned off', () => {
  const headers = [
    ['x-real-ip', '203.0.113.5'],
    ['x-forwarded-for', '198.51.100.2'],
  ] as const
  assert.equal(chosen('127.0.0.1', headers, { 'x-real-ip': false, 'x-forwarded-for': true }), '198.51.100.2')
  assert.equal(chosen('127.0.0.1', headers, { 'x-real-ip': true, 'x-forwarded-for': false }), '203.0.113.5')
  assert.deepEqual(choose('192.0.2.1', headers, { 'x-real-ip': false, 'x-forwarded-for': false }), {
    address: '192.0.2.1',
    ignoredHeader: undefined,
  })
})

test('a peer that nobody trusts is not believed, and that is noted', () => {
  assert.deepEqual(choose('192.0.2.1', [['x-real-ip', '203.0.113.5']]), {
    address: '192.0.2.1',
    ignoredHeader: 'x-real-ip',
  })
  assert.deepEqual(choose('192.0.2.1', [['x-forwarded-for', '203.0.113.5']]), {
    address: '192.0.2.1',
    ignoredHeader: 'x-forwarded-for',
  })
  assert.equal(choose(undefined, [['x-real-ip', '203.0.113.5']]).address, undefined)
})

test('each address is warned of once, with the flag to set; all are counted; the memory of it is bounded', () => {
  const ignored = new IgnoredHeaders()
  const from = (address: string): ClientAddress => ({
    address: address as Address,
    ignoredHeader: 'x-real-ip',
  })
  assert.match(ignored.note(from('192.0.2.1')) ?? '', /192\.0\.2\.1 .*-trusted-proxies/)
  assert.equal(ignored.note(from('192.0.2.1')), undefined)
  assert.equal(ignored.note(judgePeer('192.0.2.2', proxies)), undefined)
  assert.equal(ignored.count, 2)
  for (let n = 0; n < IGNORED_HEADER_MAX_WARNINGS * 2; n++) ignored.note(from(`2001:db8::${n.toString(16)}`))
  assert.equal(ignored.note(from('192.0.2.3')), undefined)
  assert.equal(ignored.count, 3 + IGNORED_HEADER_MAX_WARNINGS * 2)
})
