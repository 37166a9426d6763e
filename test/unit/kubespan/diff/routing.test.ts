import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  describeRoutingChange,
  diffRouting,
  isGuard,
  planRouting,
  routingArguments,
} from '../../../../kubespan/diff/routing.ts'
import { parseOwnRoutes, parseOwnRules, type RoutingView } from '../../../../kubespan/diff/routing-view.ts'
import type { Prefix } from '../../../../shared/net/address.ts'
import { placementOf } from '../../../support/desired-states.ts'

const placement = placementOf()
const routedV6 = ['2001:db8::1/128', '2001:db8:1::/64'] as Prefix[]
const desired = { placement, mtuBytes: 1420, routedV4: [] as Prefix[], routedV6 }
const wanted = planRouting(desired, [4, 6], [])
const nothing: RoutingView = { rules: [], routes: [] }
const commands = (observed: RoutingView, goal = wanted): string[] =>
  diffRouting(goal, observed).map((change) => routingArguments(change, placement).join(' '))

test('from nothing: what refuses, then the rules, and what needs the link is told apart', () => {
  assert.deepEqual(commands(nothing), [
    '-4 route replace unreachable default table 180 metric 4294967295 proto static',
    '-4 route replace default dev kubespan table 180 metric 1 proto static scope global mtu 1420',
    '-6 route replace unreachable default table 180 metric 4294967295 proto static',
    '-6 route replace default dev kubespan table 180 metric 1 proto static scope global mtu 1420',
    '-4 rule add priority 32500 fwmark 0x40/0x60 table 180',
    '-6 rule add priority 32500 fwmark 0x40/0x60 table 180',
  ])
  const guards = diffRouting(wanted, nothing).filter(isGuard)
  assert.equal(guards.length, 4)
  assert.ok(guards.every(({ route }) => route?.dev === undefined))
})

test('back to nothing: every change names what it takes away', () => {
  const changes = diffRouting(nothing, wanted)
  assert.deepEqual(
    changes.map((change) => routingArguments(change, placement).join(' ')),
    [
      '-4 rule delete priority 32500 fwmark 0x40/0x60 table 180',
      '-6 rule delete priority 32500 fwmark 0x40/0x60 table 180',
      '-4 route del unreachable default table 180 metric 4294967295',
      '-4 route del default dev kubespan table 180 metric 1',
      '-6 route del unreachable default table 180 metric 4294967295',
      '-6 route del default dev kubespan table 180 metric 1',
    ],
  )
  assert.ok(!changes.some(isGuard))
})

test('a route with another MTU is replaced, not deleted', () => {
  const old = planRouting({ ...desired, mtuBytes: 1300 }, [4, 6], [])
  assert.deepEqual(
    commands(old).map((line) => line.split(' ').slice(1, 3).join(' ')),
    ['route replace', 'route replace'],
  )
})

test('without IPv6 there is nothing of it', () => {
  assert.ok(commands(nothing, planRouting(desired, [4], [])).every((line) => line.startsWith('-4')))
})

test('where the main table has no IPv6 default route, rules after it lead to the peers', () => {
  const goal = planRouting(desired, [4, 6], [6])
  assert.deepEqual(commands(wanted, goal), [
    '-6 rule add priority 32800 to 2001:db8::1/128 fwmark 0x0/0x60 table 180',
    '-6 rule add priority 32800 to 2001:db8:1::/64 fwmark 0x0/0x60 table 180',
  ])
  assert.deepEqual(
    diffRouting(wanted, goal)
      .map(describeRoutingChange)
      .map(({ action, what }) => `${action} ${what}`),
    ['remove rule 32800 (2001:db8::1/128)', 'remove rule 32800 (2001:db8:1::/64)'],
  )
})

test('the same for IPv4', () => {
  assert.deepEqual(
    commands(wanted, planRouting({ ...desired, routedV4: ['10.1.0.0/16' as Prefix] }, [4, 6], [4])),
    ['-4 rule add priority 32800 to 10.1.0.0/16 fwmark 0x0/0x60 table 180'],
  )
})

test('a peer that has everything is reached by two rules', () => {
  const everything = { ...desired, routedV4: ['0.0.0.0/0' as Prefix], routedV6: ['::/0' as Prefix] }
  const goals = ([4, 6] as const).map((family) =>
    planRouting(everything, [family], [family]).rules.map(({ to }) => to),
  )
  assert.deepEqual(goals, [
    [undefined, '0.0.0.0/1', '128.0.0.0/1'],
    [undefined, '::/1', '8000::/1'],
  ])
})

test('any part of what is wanted grows to all of it; additions come before deletions', () => {
  const stale = placementOf({ rulePriority: 7 })
  const others = planRouting({ ...desired, placement: stale }, [4, 6], [4, 6])
  fc.assert(
    fc.property(
      fc.subarray([...wanted.routes]),
      fc.subarray([...wanted.rules, ...others.rules]),
      (routes, rules) => {
        const changes = diffRouting(wanted, { routes, rules })
        const kinds = changes.map(({ kind }) => kind === 'delete')
        assert.deepEqual(kinds, [...kinds].sort())
        const text = new Set([...routes, ...rules].map((item) => JSON.stringify(item)))
        for (const { kind, rule, route } of changes)
          if (kind === 'delete') text.delete(JSON.stringify(rule ?? route))
          else text.add(JSON.stringify(rule ?? route))
        assert.deepEqual(
          [...text].sort(),
          [...wanted.routes, ...wanted.rules].map((item) => JSON.stringify(item)).sort(),
        )
      },
    ),
  )
})

const rules = (...rows: readonly object[]) => parseOwnRules(JSON.stringify(rows), 4, placement)
const OURS = { priority: 32500, src: 'all', fwmark: '0x40', fwmask: '0x60', table: '180' }

test('a rule of ours is one that says what ours says, wherever it stands', () => {
  assert.equal(rules(OURS, { ...OURS, priority: 5 }).length, 2)
  assert.equal(rules({ ...OURS, protocol: 'boot' }).length, 1)
  const lastResort = { ...OURS, priority: 32800, fwmark: '0' }
  assert.deepEqual(
    parseOwnRules(
      JSON.stringify([
        { ...lastResort, dst: '2001:db8::1' },
        { ...lastResort, dst: '2001:db8:1::', dstlen: 64 },
      ]),
      6,
      placement,
    ).map(({ to, fwmark }) => [to, fwmark]),
    [
      ['2001:db8::1/128', 0],
      ['2001:db8:1::/64', 0],
    ],
  )
})

for (const other of [
  { priority: 0, src: 'all', table: '255' },
  { ...OURS, fwmask: '0xf0' },
  { ...OURS, fwmask: undefined },
  { ...OURS, table: '7' },
  { ...OURS, src: '10.0.0.0', srclen: 8 },
  { ...OURS, iif: 'eth0' },
  { ...OURS, not: null },
  { ...OURS, action: 'prohibit' },
  { ...OURS, dst: '10.0.0.0', dstlen: 8 },
  { ...OURS, priority: 32800, fwmark: '0', dst: 'nowhere' },
  { ...OURS, priority: 32800, fwmark: '0' },
  { ...OURS, priority: 40000, fwmark: '0', dst: '10.0.0.1' },
])
  test(`a rule of somebody else: ${JSON.stringify(other)}`, () => assert.deepEqual(rules(other), []))

const routes = (...rows: readonly object[]) => parseOwnRoutes(JSON.stringify(rows), 6, placement)

const PLAIN = {
  dst: 'default',
  dev: 'kubespan',
  protocol: '4',
  metric: 1,
  flags: [],
  metrics: [{ mtu: 1420 }],
}

test('routes of ours are the default ones through our link, and the one of last resort', () => {
  assert.deepEqual(
    routes(
      { ...PLAIN, pref: 'medium' },
      { type: '7', dst: 'default', dev: 'lo', protocol: '4', metric: 4294967295, flags: [], pref: 'medium' },
      { dst: 'default', dev: 'kubespan', flags: [] },
    ),
    [
      { family: 6, dev: 'kubespan', metric: 1, mtuBytes: 1420, isPlain: true },
      { family: 6, dev: undefined, metric: 4294967295, mtuBytes: undefined, isPlain: true },
      { family: 6, dev: 'kubespan', metric: 0, mtuBytes: undefined, isPlain: false },
    ],
  )
})

for (const change of [
  { protocol: '3' },
  { prefsrc: '192.0.2.1' },
  { scope: '253' },
  { flags: ['onlink'] },
  { metrics: [{ mtu: 1420, advmss: 500 }] },
  { pref: 'high' },
])
  test(`a route of ours that somebody changed is set again: ${JSON.stringify(change)}`, () => {
    const [route] = parseOwnRoutes(JSON.stringify([{ ...PLAIN, ...change }]), 4, placement)
    assert.ok(route)
    const routesNow = wanted.routes.map((other) =>
      other.family === 4 && other.dev !== undefined ? route : other,
    )
    assert.deepEqual(commands({ ...wanted, routes: routesNow }), [
      '-4 route replace default dev kubespan table 180 metric 1 proto static scope global mtu 1420',
    ])
  })

test('a link that is down does not change its route', () => {
  assert.equal(routes({ ...PLAIN, flags: ['linkdown'] })[0]?.isPlain, true)
})

for (const other of [
  { dst: 'default', dev: 'eth0', metric: 1 },
  { dst: 'default', dev: 'kubespan', gateway: 'fd00::1', metric: 1 },
  { dst: '2001:db8::/32', dev: 'kubespan', metric: 1 },
  { type: '7', dst: 'default', dev: 'lo', metric: 5 },
  { type: '6', dst: 'default', metric: 4294967295 },
])
  test(`a route of somebody else: ${JSON.stringify(other)}`, () => assert.deepEqual(routes(other), []))

test('nothing, as `ip` writes it', () => {
  for (const text of ['', '\n', '[]', '[{}]']) {
    assert.deepEqual(parseOwnRules(text, 4, placement), [])
    assert.deepEqual(parseOwnRoutes(text, 4, placement), [])
  }
})

test('changes in the words of an operator', () => {
  assert.deepEqual(
    diffRouting(wanted, nothing)
      .map(describeRoutingChange)
      .map(({ action, what }) => `${action} ${what}`),
    [
      'add default route unreachable (IPv4)',
      'add default route dev kubespan (IPv4)',
      'add default route unreachable (IPv6)',
      'add default route dev kubespan (IPv6)',
      'add rule 32500 (IPv4)',
      'add rule 32500 (IPv6)',
    ],
  )
})
