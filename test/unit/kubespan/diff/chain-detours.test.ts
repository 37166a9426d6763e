import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  describeChainDetours,
  dropsFromTunnel,
  suspectChains,
} from '../../../../kubespan/diff/chain-detours.ts'
import type { MarkEffect, MarkRule } from '../../../../kubespan/model/mark-rules.ts'
import { type PathFilterFact, parsePathFilters } from '../../../../kubespan/model/path-filters.ts'
import { placementOf } from '../../../support/desired-states.ts'

const CLEARS: MarkEffect = { sets: 0, keeps: 0, isRestored: false }
const at = (
  type: string,
  hook: string,
  priority: number,
  effect: MarkEffect | undefined = CLEARS,
): MarkRule => ({
  ...{
    family: 'ip',
    table: 't',
    chain: 'c',
    handle: 7,
    type,
    hook,
    priority,
    spared: [],
    only: undefined,
    effect,
  },
})
const told = (rule: MarkRule): number =>
  describeChainDetours(suspectChains({ marks: [rule], pathFilters: [] }), placementOf()).length
const KEEPS = 0xffffffff

const cases: readonly (readonly [string, MarkRule, number])[] = [
  ['routed anew without it', at('route', 'output', 10), 1],
  ['at the same priority as ours', at('route', 'output', 0), 1],
  ['before ours', at('route', 'output', -150), 0],
  ['not routed anew', at('filter', 'output', 10), 0],
  ['what is forwarded', at('filter', 'prerouting', 30), 1],
  ['what is forwarded, before ours', at('filter', 'prerouting', 0), 0],
  ['after all routing', at('filter', 'postrouting', 200), 0],
  ['with a bit of WireGuard’s mark', at('route', 'output', 10, { ...CLEARS, sets: 0x1bd21 }), 1],
  ['with a bit more', at('route', 'output', 10, { ...CLEARS, sets: 0x20, keeps: KEEPS }), 1],
  ['other bits', at('route', 'output', 10, { ...CLEARS, sets: 0x4000, keeps: KEEPS }), 0],
  ['our bits kept', at('route', 'output', 10, { ...CLEARS, sets: 0x1, keeps: 0x60 }), 0],
  ['our own mark', at('route', 'output', 10, { ...CLEARS, sets: 0x40 }), 0],
  ['but ours spared', { ...at('route', 'output', 10), spared: [{ mask: 0x60, value: 0x40 }] }, 0],
  ['some of ours spared', { ...at('route', 'output', 10), spared: [{ mask: 0xff, value: 0x40 }] }, 1],
  ['of another mark', { ...at('route', 'output', 10), only: { mask: 0xffffffff, value: 0x1 } }, 0],
  ['of a mark with ours', { ...at('route', 'output', 10), only: { mask: 0x40, value: 0x40 } }, 1],
  ['of the connection', at('route', 'output', 10, { sets: KEEPS, keeps: 0, isRestored: true }), 1],
]
for (const [name, rule, count] of cases)
  test(`a mark that is written: ${name}`, () => assert.equal(told(rule), count))

test('what nft does not show is not told of', () =>
  assert.equal(told({ ...at('route', 'output', 10), effect: undefined }), 0))

test('a rule is told of once, with the command that lets our packets pass it', () => {
  const { linkName } = placementOf()
  const marks = [at('route', 'output', 10), at('route', 'output', 20)]
  const pathFilters = filters('fib saddr . iif oif missing drop')
  const detours = describeChainDetours({ marks, pathFilters }, placementOf())
  assert.deepEqual(
    detours.map(({ mend }) => mend),
    [
      'nft insert rule ip t c handle 7 meta mark and 0x60 == 0x40 return',
      `nft replace rule inet f p handle 2 iifname != "${linkName}" fib saddr . iif oif missing drop`,
    ],
  )
})

const filters = (rule: string): readonly PathFilterFact[] =>
  parsePathFilters(
    `table inet f { # handle 1\n\tchain p { # handle 1\n\t\ttype filter hook prerouting priority -140; policy accept;\n\t\t${rule} # handle 2\n\t}\n}\n`,
  )
for (const [rule, drops] of [
  ['fib saddr . iif oif missing drop', true],
  ['fib saddr . mark . iif oif missing drop', false],
  ['iifname "eth0" fib saddr . iif oif missing drop', false],
  ['iifname { "eth0", "wlan*" } fib saddr . iif oif missing drop', false],
  ['iifname { "eth0", "kube*" } fib saddr . iif oif missing drop', true],
  ['iifname "kubespan" fib saddr . iif oif missing drop', true],
  ['iifname != "kubespan" fib saddr . iif oif missing drop', false],
] as const)
  test(`${rule}: ${drops ? 'drops what comes out of the tunnel' : 'lets the tunnel be'}`, () =>
    assert.deepEqual(
      filters(rule).map((filter) => dropsFromTunnel(filter, 'kubespan')),
      [drops],
    ))
