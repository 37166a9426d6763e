import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type RankingContext, rankEndpoints } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { addressOn, flagged, linkOf } from '../../../../support/links.ts'

const endpoints = (...texts: string[]) => texts as AddressPort[]
const prefixes = (...texts: string[]) => texts as Prefix[]

const context: RankingContext = {
  links: [
    linkOf('eth0', [
      '192.168.1.2/24',
      '2001:db8:1::2/64',
      'fd01:2:3:4::2/64',
      addressOn('fe80::2/64', 'link'),
    ]),
  ],
  meshSubnet: 'fd00:0:0:2::/64' as Prefix,
  lastWorked: undefined,
  observed: undefined,
  preferredRanges: [],
  allowedRanges: [],
  deniedRanges: [],
}

const explain = (advertised: AddressPort[], said: Partial<RankingContext> = {}) =>
  rankEndpoints(advertised, { ...context, ...said }).ranked.map(
    ({ endpoint, class: name, rank }) => `${rank} ${endpoint}: ${name}`,
  )

test('from the nearest to the least likely, with the reason', () => {
  const advertised = endpoints(
    '10.9.9.9:51820',
    '203.0.113.7:51820',
    '[2001:db8:9::7]:51820',
    '203.0.113.7:4500',
    '192.168.77.7:51820',
    '[fd01:2:3:9::7]:51820',
    '192.168.1.7:51820',
    '198.51.100.7:51820',
    '100.64.0.7:51820',
  )
  const said = {
    lastWorked: '198.51.100.7:51820' as AddressPort,
    observed: '198.51.100.7:40000' as AddressPort,
    preferredRanges: prefixes('100.64.0.0/10'),
  }
  assert.deepEqual(explain(advertised, said), [
    '0 100.64.0.7:51820: in a preferred range',
    '1 192.168.1.7:51820: on a shared link',
    '2 192.168.77.7:51820: in a shared private range',
    '2 [fd01:2:3:9::7]:51820: in a shared private range',
    '3 198.51.100.7:51820: worked last',
    '4 [2001:db8:9::7]:51820: global IPv6',
    '5 203.0.113.7:51820: public IPv4',
    '6 198.51.100.7:40000: observed',
    '7 203.0.113.7:4500: announced with a port of its own',
    '8 10.9.9.9:51820: private elsewhere',
  ])
})

test('what is behind the NAT of a provider comes after all that is public', () => {
  assert.deepEqual(
    explain(
      endpoints(
        '100.64.0.7:51820',
        '203.0.113.7:51820',
        '10.9.9.9:51820',
        '100.128.0.1:51820',
        '203.0.113.7:4500',
      ),
    ),
    [
      '0 203.0.113.7:51820: public IPv4',
      '0 100.128.0.1:51820: public IPv4',
      '1 203.0.113.7:4500: announced with a port of its own',
      '2 100.64.0.7:51820: behind the NAT of a provider',
      '3 10.9.9.9:51820: private elsewhere',
    ],
  )
})

test('a link that leads to nobody else is shared with nobody, and its addresses are this host’s all the same', () => {
  const docker = linkOf('docker0', ['172.17.0.1/16'])
  const links = [...context.links, docker]
  const advertised = endpoints('172.17.0.1:51820', '172.17.0.9:51820')
  assert.deepEqual(explain(advertised, { links }), ['0 172.17.0.9:51820: on a shared link'])
  const judged = [...context.links, { ...docker, leadsNowhere: 'by its name' }]
  assert.deepEqual(explain(advertised, { links: judged }), ['0 172.17.0.9:51820: private elsewhere'])
})

test('an address that another machine was found to have may be the peer’s', () => {
  const links = [linkOf('eth0', ['2001:db8:1::2/64', flagged('2001:db8:1::7/64', 'tentative', 'dadfailed')])]
  assert.deepEqual(explain(endpoints('[2001:db8:1::7]:51820'), { links }), [
    '0 [2001:db8:1::7]:51820: on a shared link',
  ])
})

test('a class that nobody is in costs no head start', () => {
  assert.deepEqual(explain(endpoints('10.9.9.9:51820', '203.0.113.7:51820')), [
    '0 203.0.113.7:51820: public IPv4',
    '1 10.9.9.9:51820: private elsewhere',
  ])
})

test('what worked or was seen is tried although it is not advertised', () => {
  assert.deepEqual(
    explain([], { lastWorked: '203.0.113.7:1' as AddressPort, observed: '203.0.113.7:2' as AddressPort }),
    ['0 203.0.113.7:1: worked last', '1 203.0.113.7:2: observed'],
  )
})

test('without IPv6 here, IPv6 there comes last', () => {
  const links = [linkOf('eth0', ['192.168.1.2/24']), linkOf('eth1', ['2001:db8:1::2/64'], { isUp: false })]
  assert.deepEqual(explain(endpoints('[2001:db8:9::7]:51820', '10.9.9.9:51820'), { links }), [
    '0 10.9.9.9:51820: private elsewhere',
    '1 [2001:db8:9::7]:51820: IPv6, which this host lacks',
  ])
})

test('what cannot be the peer is not tried, and it is said why', () => {
  const advertised = endpoints(
    '203.0.113.7:0',
    '127.0.0.1:51820',
    '[ff02::1]:51820',
    '0.0.0.0:51820',
    '[fd00:0:0:2::9]:51820',
    '192.168.1.2:51820',
    '198.51.100.1:51820',
    '203.0.113.8:51820',
    '192.0.2.1:51820',
  )
  const { ranked, dropped } = rankEndpoints(advertised, {
    ...context,
    allowedRanges: prefixes('203.0.113.0/24', '198.51.100.0/24'),
    deniedRanges: prefixes('198.51.100.0/28'),
  })
  assert.deepEqual(
    ranked.map(({ endpoint }) => endpoint),
    ['203.0.113.8:51820'],
  )
  assert.deepEqual(
    dropped.map(({ reason }) => reason),
    [
      'it has no port',
      'it is no host',
      'it is no host',
      'it is no host',
      'it is inside the mesh',
      'it is an address of this host',
      'its range is denied',
      'its range is not allowed',
    ],
  )
})

test('every candidate is ranked once or dropped once, and ranks have no gaps', () => {
  const drawn = fc
    .tuple(fc.ipV4(), fc.constantFrom(51820, 4500, 0))
    .map(([address, port]) => `${address}:${port}` as AddressPort)
  fc.assert(
    fc.property(fc.array(drawn), (advertised) => {
      const { ranked, dropped } = rankEndpoints(advertised, context)
      assert.deepEqual(new Set([...ranked, ...dropped].map(({ endpoint }) => endpoint)), new Set(advertised))
      assert.equal(ranked.length + dropped.length, new Set(advertised).size)
      const ranks = [...new Set(ranked.map(({ rank }) => rank))]
      assert.deepEqual(ranks, [...ranks.keys()])
    }),
  )
})
