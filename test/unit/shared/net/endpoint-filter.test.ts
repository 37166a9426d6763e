import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address } from '../../../../shared/net/address.ts'
import { filterAddresses, parseFilter } from '../../../../shared/net/endpoint-filter.ts'

const OWN = ['10.3.4.5', '192.168.1.10', '8.8.8.8', '2001:db8::1', 'fe80::1', 'fe80::1%eth0'] as Address[]

test('filters add in their own order and take away what is there so far', () => {
  for (const [filters, kept] of [
    [
      ['::/0', '0.0.0.0/0'],
      ['2001:db8::1', 'fe80::1', '10.3.4.5', '192.168.1.10', '8.8.8.8'],
    ],
    [
      ['!10.0.0.0/8', '0.0.0.0/0'],
      ['10.3.4.5', '192.168.1.10', '8.8.8.8'],
    ],
    [
      ['0.0.0.0/0', '!10.0.0.0/8', '10.3.4.5'],
      ['192.168.1.10', '8.8.8.8', '10.3.4.5'],
    ],
    [['!10.0.0.0/8'], []],
    [[], []],
    [['8.8.8.8', '8.8.0.0/16'], ['8.8.8.8']],
    [['10.3.99.99/16'], ['10.3.4.5']],
    [['fe80::1%eth0/64'], ['fe80::1']],
  ] as const)
    assert.deepEqual(filterAddresses(OWN, filters), kept, filters.join(' '))
})

test('an entry is a network or an address, with at most one mark in front', () => {
  assert.deepEqual(parseFilter('!10.0.0.0/8'), { isNegative: true, prefix: '10.0.0.0/8' })
  assert.deepEqual(parseFilter('::1'), { isNegative: false, prefix: '::1/128' })
  for (const text of ['', '!', '!!10.0.0.0/8', ' 10.0.0.0/8', '10.0.0.0/33', 'abc', '! 10.0.0.0/8'])
    assert.equal(parseFilter(text), undefined, text)
  assert.throws(() => filterAddresses(OWN, ['0.0.0.0/0', 'abc']), TypeError)
})
