import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bestFirst } from '../../../../../kubespan/plan/self/best-first.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { flagged, linkOf } from '../../../../support/links.ts'

const order = (links: Parameters<typeof bestFirst>[0], more: readonly string[] = []) =>
  bestFirst(links, [
    ...links.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
    ...(more as Address[]),
  ])

test('the link with the default route, then physical links, then all others', () => {
  const links = [
    linkOf('bridge7', ['198.51.100.1/24'], { isPhysical: false }),
    linkOf('eth1', ['192.168.1.1/24']),
    linkOf('bond0', ['10.0.0.1/24'], { isPhysical: false, hasDefaultRoute: true }),
  ]
  assert.deepEqual(order(links), ['10.0.0.1', '192.168.1.1', '198.51.100.1'])
})

test('on one link public before private before shared, and what somebody knows to reach us first', () => {
  const links = [
    linkOf('eth0', ['100.64.0.7/32', '10.0.0.1/8', '203.0.113.1/24', 'fd00::1/64', '2001:db8::1/64'], {
      hasDefaultRoute: true,
    }),
  ]
  assert.deepEqual(order(links, ['198.51.100.9']), [
    '198.51.100.9',
    '203.0.113.1',
    '2001:db8::1',
    '10.0.0.1',
    'fd00::1',
    '100.64.0.7',
  ])
})

test('each subnet has its first before any has its second; lasting addresses are first', () => {
  const links = [
    linkOf('eth0', [
      flagged('2001:db8::1/64', 'temporary'),
      '2001:db8::3/128',
      '2001:db8::2/64',
      flagged('2001:db8::4/64', 'deprecated'),
    ]),
    linkOf('eth1', ['192.168.1.1/24', '192.168.1.2/24']),
  ]
  const got = order(links)
  assert.deepEqual(got.slice(0, 2), ['2001:db8::2', '192.168.1.1'])
  assert.deepEqual(got.slice(-2), ['2001:db8::1', '2001:db8::4'])
  assert.deepEqual(order(links.toReversed()), got)
})
