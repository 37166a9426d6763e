import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeDetours, findDetours, tablesBefore } from '../../../../kubespan/diff/detours.ts'
import { parseTableRoutes } from '../../../../kubespan/diff/routing-view.ts'
import { parseRules } from '../../../../kubespan/model/policy-rule.ts'
import type { Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'
import { placementOf } from '../../../support/desired-states.ts'

const placement = placementOf()
const routed = PrefixSet.of(['198.18.0.2/32', '10.244.1.0/24'] as Prefix[])
const OURS = { priority: 32500, src: 'all', fwmark: '0x40', fwmask: '0x60', table: '180' }
const MAIN = { priority: 32766, src: 'all', table: '254' }
const LOCAL = { priority: 0, src: 'all', table: '255' }

const routes = (...rows: object[]) =>
  parseTableRoutes(JSON.stringify(rows.map((row) => ({ flags: [], ...row }))), 4)
const TABLES = new Map([
  [180, routes({ dst: 'default', dev: 'kubespan' }, { type: '7', dst: 'default', metric: 4294967295 })],
  [254, routes({ dst: 'default', gateway: '192.0.2.1', dev: 'eth0' }, { dst: '198.18.0.0/24', dev: 'eth0' })],
  [52, routes({ dst: '100.64.0.9', dev: 'tailscale0' }, { type: '9', dst: 'default' })],
  [53, routes({ dst: 'default', dev: 'kubespan' })],
  [
    54,
    routes(
      { dst: 'default', dev: 'wg9' },
      { dst: '198.18.0.0/15', dev: 'kubespan' },
      { type: '9', dst: '10.0.0.0/8' },
    ),
  ],
  [55, routes({ dst: 'default', dev: 'wg9' }, { dst: '198.18.0.0/15', dev: 'kubespan' })],
  [7, routes({ dst: 'default', dev: 'wg9' })],
  [2004, routes({ type: '2', dst: 'default', dev: 'lo' })],
])

function detours(...rules: object[]): readonly string[] {
  const rows = [LOCAL, ...rules.map((rule) => ({ priority: 100, src: 'all', ...rule })), OURS, MAIN]
  const input = { placement, routed, rules: parseRules(JSON.stringify(rows), 4), tables: TABLES }
  return describeDetours([findDetours(input)], placement).map(({ what }) => what)
}

const IN_THE_WAY: Readonly<Record<string, object>> = {
  'all, to a default route': { table: '7' },
  'all, to a route on the link': { table: '254', suppress_prefixlen: 0 },
  'all but another mark': { not: null, fwmark: '0xca6c', table: '7' },
  'all but our mark with a bit of others': { not: null, fwmark: '0x1040', fwmask: '0x1060', table: '7' },
  'all but a destination': { not: null, dst: '198.18.0.2', table: '7' },
  'a mark beside ours': { fwmark: '0x80000', fwmask: '0xff0000', table: '7' },
  'our mark': { fwmark: '0x40', fwmask: '0x40', table: '254' },
  'a source': { src: '192.0.2.7', table: '7' },
  'a destination within': { dst: '10.244.1.9', table: '7' },
  'a destination around': { dst: '10.0.0.0', dstlen: 8, table: '7' },
  'a link': { iif: 'eth0', table: '7' },
  'a user': { uid_start: 0, uid_end: 9, table: '7' },
  'a protocol': { ipproto: 'ipproto-6', dport: 443, table: '7' },
  'a VRF': { l3mdev: null },
  'a table that nobody could look at': { table: '99' },
  'a default route beside a longer one into our link': { table: '55' },
  'a jump': { goto: 32600 },
  'a refusal': { action: '6' },
}
for (const [name, rule] of Object.entries(IN_THE_WAY))
  test(`in the way: ${name}`, () => assert.equal(detours(rule).length, 1))

const HARMLESS: Readonly<Record<string, object>> = {
  'WireGuard’s mark': { fwmark: '0x20', fwmask: '0x60', table: '254' },
  'all but our mark': { not: null, fwmark: '0x40', fwmask: '0x60', table: '7' },
  'routes for others, and a throw': { table: '52' },
  'a route into our link': { table: '53' },
  'what is delivered to a proxy on this host': { fwmark: '0x200', fwmask: '0xf00', table: '2004' },
  'a default route, but longer ones for all of ours': { table: '54' },
  'no route longer than the default one': { table: '7', suppress_prefixlen: 0 },
  'our table': { table: '180' },
  'addresses of this host': { table: '255' },
  'a destination outside': { dst: '203.0.113.9', table: '7' },
  'a link that is not there': { iif: 'gone', iif_detached: null, table: '7' },
  'a jump to what is before ours': { goto: 200 },
  'a jump to nowhere': { goto: 32600, unresolved: null },
  nothing: { nop: null },
}
for (const [name, rule] of Object.entries(HARMLESS))
  test(`in nobody’s way: ${name}`, () => assert.deepEqual(detours(rule), []))

test('what comes after ours is in nobody’s way, also at the same number; without ours it comes before', () => {
  const rule = { priority: 32500, src: 'all', table: '7' }
  const find = (...rows: object[]) =>
    findDetours({ placement, routed, rules: parseRules(JSON.stringify(rows), 4), tables: TABLES }).rules
      .length
  assert.equal(find(LOCAL, OURS, rule, MAIN), 0)
  assert.equal(find(LOCAL, rule, OURS, MAIN), 1)
  assert.equal(find(LOCAL, rule, MAIN), 1)
})

test('only the tables of rules that may match are asked for', () => {
  const rows = [
    LOCAL,
    { ...MAIN, priority: 5 },
    { ...MAIN, priority: 6, table: '7', dst: '203.0.113.9' },
    OURS,
  ]
  const rules = parseRules(JSON.stringify(rows), 4)
  assert.deepEqual([...tablesBefore({ placement, routed, rules })], [254])
})

test('the advice is a number below all of them, and a command where there is none', () => {
  const rules = [
    { priority: 110, src: 'all', not: null, fwmark: '0x1bd00', table: '7' },
    { priority: 5270, src: 'all', table: '7' },
    { priority: 1, src: '192.0.2.7', dst: '10.0.0.0', dstlen: 8, table: '7' },
    { priority: 120, src: 'all', dst: '198.18.0.2', action: '8' },
  ]
  const input = { placement, routed, rules: parseRules(JSON.stringify(rules), 4), tables: TABLES }
  const lower = 'placement: {rulePriority: 100} in a NodeConfig, then kubespan reload'
  assert.deepEqual(describeDetours([findDetours(input)], placement), [
    {
      what: 'rule "110: not fwmark 0x1bd00 lookup 7 (IPv4)" is asked before ours: what table 7 has a route for is dropped instead of entering the mesh',
      mend: lower,
    },
    {
      what: 'rule "5270: lookup 7 (IPv4)" is asked before ours: what table 7 has a route for is dropped instead of entering the mesh',
      mend: lower,
    },
    {
      what: 'rule "1: from 192.0.2.7 to 10.0.0.0/8 lookup 7 (IPv4)" is asked before ours: what table 7 has a route for is dropped instead of entering the mesh',
      mend: 'ip -4 rule add priority 32501 from 192.0.2.7 to 10.0.0.0/8 lookup 7 && ip -4 rule del priority 1 from 192.0.2.7 to 10.0.0.0/8 lookup 7',
    },
    {
      what: 'rule "120: to 198.18.0.2 prohibit (IPv4)" is asked before ours: it refuses what is for the mesh',
      mend: 'ip -4 rule del priority 120 to 198.18.0.2 prohibit',
    },
  ])
})

test('a route of somebody else in our table is one, where it is for the mesh', () => {
  const own = [
    ...(TABLES.get(180) ?? []),
    ...routes(
      { dst: '198.18.0.0/15', gateway: '192.0.2.1', dev: 'eth0' },
      { dst: '203.0.113.0/24', dev: 'eth0' },
      { type: '9', dst: '10.244.1.7' },
    ),
  ]
  const rules = parseRules(JSON.stringify([LOCAL, OURS]), 4)
  const found = findDetours({ placement, routed, rules, tables: new Map([[180, own]]) })
  assert.deepEqual(
    describeDetours([found], placement).map(({ what, mend }) => [what.split(' of somebody')[0], mend]),
    [
      ['route "198.18.0.0/15 via 192.0.2.1 dev eth0" (IPv4)', 'ip -4 route del 198.18.0.0/15 table 180'],
      ['route "throw 10.244.1.7" (IPv4)', 'ip -4 route del 10.244.1.7/32 table 180'],
    ],
  )
})

test('a rule for a source that nothing of ours comes from is in nobody’s way, where that is known', () => {
  const rules = parseRules(
    JSON.stringify([LOCAL, { priority: 9, src: '192.168.9.0', srclen: 24, table: '7' }, OURS]),
    4,
  )
  const find = (sources?: readonly string[]) =>
    findDetours({
      ...{ placement, routed, rules, tables: TABLES },
      sources: sources && PrefixSet.of(sources as Prefix[]),
    }).rules.length
  assert.deepEqual([find(), find(['192.168.9.1/32']), find(['192.0.2.7/32'])], [1, 1, 0])
})
