import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RankingGround, Rankings } from '../../../../../kubespan/controllers/paths/rankings.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { linkOf } from '../../../../support/links.ts'
import { specOf } from '../../../../support/peers.ts'
import { settingsOf } from '../../../../support/settings.ts'

const [LAN, WAN] = ['192.168.1.7:51820', '203.0.113.7:51820'] as [AddressPort, AddressPort]
const groundOf = (said: Partial<RankingGround> = {}): RankingGround => ({
  links: [linkOf('eth0', ['198.51.100.1/24'])],
  meshSubnet: 'fd00::/64' as Prefix,
  filters: settingsOf().filters,
  lastWorked: new Map(),
  ...said,
})
const spec = specOf({ endpoints: [LAN, WAN] })

test('what has not changed is not ranked again', () => {
  const rankings = new Rankings()
  const first = rankings.on(groundOf())(spec, WAN)
  assert.deepEqual(
    first.map(({ endpoint }) => endpoint),
    [WAN, LAN],
  )
  const rank = rankings.on(groundOf())
  assert.equal(rank(specOf({ endpoints: [LAN, WAN] }), WAN), first, 'equal is as good as the same')
  assert.equal(rank(spec, WAN), first)
})

test('links, ranges, candidates, what worked and where a peer is: each makes another ranking', () => {
  const rankings = new Rankings()
  const best = (ground: RankingGround, of = spec, observed = WAN) =>
    rankings.on(ground)(of, observed)[0]?.endpoint
  assert.equal(best(groundOf()), WAN)
  assert.equal(best(groundOf({ links: [linkOf('eth0', ['192.168.1.1/24'])] })), LAN)
  assert.equal(
    best(groundOf({ filters: settingsOf('filters: {deniedRanges: [203.0.113.0/24]}').filters })),
    LAN,
  )
  assert.equal(best(groundOf({ lastWorked: new Map([['key', LAN]]) })), LAN)
  assert.equal(best(groundOf(), specOf({ endpoints: [LAN] }), LAN), LAN)
  assert.equal(
    best(groundOf(), specOf({ endpoints: [LAN] }), '203.0.113.9:1' as AddressPort),
    '203.0.113.9:1',
  )
})
