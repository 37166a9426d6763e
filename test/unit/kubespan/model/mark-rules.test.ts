import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markRules } from '../../../../kubespan/model/mark-rules.ts'
import { parseRuleset } from '../../../../kubespan/model/nft-ruleset.ts'

const mark = { meta: { key: 'mark' } }
const ctMark = { ct: { key: 'mark' } }
const set = (value: unknown) => ({ mangle: { key: mark, value } })

/** As nft 1.0.6 shows them. */
const listing = (...statements: unknown[]): string =>
  JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { table: { family: 'inet', name: 'nb' } },
      {
        chain: {
          family: 'inet',
          table: 'nb',
          name: 'p',
          type: 'filter',
          hook: 'prerouting',
          prio: -150,
          policy: 'accept',
        },
      },
      { chain: { family: 'inet', table: 'nb', name: 'jumped' } },
      ...statements.map((statement) => ({
        rule: {
          family: 'inet',
          table: 'nb',
          chain: 'p',
          handle: 7,
          expr: [{ match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'wt0' } }, statement],
        },
      })),
    ],
  })

const ALL = 0xffffffff
const found = (json: string, words = '') => markRules(parseRuleset(json, words))
const cases: readonly (readonly [string, unknown, number, number, boolean])[] = [
  ['0x1bd21', 0x1bd21, 0x1bd21, 0, false],
  ['mark | 0x40', { '|': [mark, 0x40] }, 0x40, ALL, false],
  ['mark & 0xffff0000 | 0x21', { '|': [{ '&': [mark, 0xffff0000] }, 0x21] }, 0x21, 0xffff0000, false],
  ['mark ^ 0x20', { '^': [mark, 0x20] }, 0x20, ALL, false],
  ['ct mark', ctMark, ALL, 0, true],
  ['ct mark & 0xff00', { '&': [ctMark, 0xff00] }, 0xff00, 0, true],
  ['0xff & mark', { '&': [0xff, mark] }, 0, 0xff, false],
  ['iifname map @m', { map: { key: mark, data: '@m' } }, ALL, 0, false],
  [
    'iifname map { … }',
    {
      map: {
        key: mark,
        data: {
          set: [
            ['a', 0x20],
            ['b', 1],
          ],
        },
      },
    },
    0x21,
    0,
    false,
  ],
  ['jhash …', { jhash: { mod: 2 } }, ALL, 0, false],
]
for (const [text, value, sets, keeps, isRestored] of cases)
  test(`meta mark set ${text}`, () =>
    assert.deepEqual(found(listing(set(value))), [
      {
        ...{
          family: 'inet',
          table: 'nb',
          chain: 'p',
          handle: 7,
          type: 'filter',
          hook: 'prerouting',
          priority: -150,
        },
        ...{ spared: [], only: undefined },
        effect: { sets, keeps, isRestored },
      },
    ]))

test('targets of iptables are known by their name at best, and marks of connections are no marks of packets', () => {
  const rules = found(
    listing(
      { xt: { type: 'target', name: 'MARK' } },
      { xt: { type: 'match', name: 'conntrack' } },
      { xt: null },
      { mangle: { key: ctMark, value: mark } },
      { accept: null },
    ),
  )
  assert.deepEqual(
    rules.map(({ effect }) => effect),
    [undefined],
  )
})

test('what nft knows of iptables in words counts', () => {
  const targets = [{ xt: { type: 'target', name: 'MARK' } }, { xt: null }]
  const json = JSON.stringify({
    nftables: [
      { chain: { family: 'ip', table: 'mangle', name: 'OUTPUT', type: 'route', hook: 'output', prio: -150 } },
      ...targets.map((statement, index) => ({
        rule: { family: 'ip', table: 'mangle', chain: 'OUTPUT', handle: index + 2, expr: [statement] },
      })),
    ],
  })
  const words = [
    'table ip mangle {',
    '\tchain OUTPUT { # handle 1',
    '\t\tcounter packets 0 bytes 0 meta mark set 0x4d # handle 2',
    '\t\tmeta mark set mark and 0xffffffbf or 0x40 # handle 3',
    '\t}',
    '}',
  ].join('\n')
  assert.deepEqual(
    found(json, words).map(({ effect }) => effect?.sets),
    [0x4d, undefined],
  )
})

test('an empty ruleset has none', () => assert.deepEqual(found('{"nftables":[{"metainfo":{}}]}'), []))

test('a chain is where packets come to it from, by whatever jumps', () => {
  const chain = (name: string, base: object = {}) => ({ chain: { family: 'ip', table: 't', name, ...base } })
  const rule = (from: string, ...expr: unknown[]) => ({
    rule: { family: 'ip', table: 't', chain: from, handle: 1, expr },
  })
  const jump = (target: string) => ({ jump: { target } })
  const rules = found(
    JSON.stringify({
      nftables: [
        chain('o', { type: 'route', hook: 'output', prio: 10 }),
        chain('f', { type: 'filter', hook: 'output', prio: 10 }),
        chain('a'),
        chain('b'),
        chain('unused'),
        rule('o', { vmap: { key: mark, data: { set: [[1, jump('a')]] } } }),
        rule('f', { goto: { target: 'b' } }),
        rule('a', jump('b')),
        rule('b', jump('a')),
        rule('b', set(0)),
        rule('unused', set(0)),
      ],
    }),
  )
  assert.deepEqual(
    rules.map(({ chain, type, hook, priority }) => [chain, type, hook, priority]),
    [
      ['b', 'route', 'output', 10],
      ['b', 'filter', 'output', 10],
      ['unused', undefined, undefined, undefined],
    ],
  )
})

test('marks that a rule asks for, and those that its chain lets go before it, are known', () => {
  const asks = (op: string, left: unknown, right: unknown) => ({ match: { op, left, right } })
  const masked = { '&': [mark, 0x60] }
  const rule = (handle: number, ...expr: unknown[]) => ({
    rule: { family: 'ip', table: 't', chain: 'o', handle, expr },
  })
  const rules = found(
    JSON.stringify({
      nftables: [
        { chain: { family: 'ip', table: 't', name: 'o', type: 'route', hook: 'output', prio: 10 } },
        rule(1, set(1)),
        rule(2, asks('==', masked, 0x40), { return: null }),
        rule(3, asks('==', mark, 0x5), asks('==', { meta: { key: 'oifname' } }, 'a'), { accept: null }),
        rule(4, asks('!=', mark, 0x7), set(1)),
        rule(5, asks('==', mark, 0x8), set(1)),
      ],
    }),
  )
  const ours = { mask: 0x60, value: 0x40 }
  assert.deepEqual(
    rules.map(({ handle, spared, only }) => [handle, spared, only]),
    [
      [1, [], undefined],
      [4, [ours, { mask: ALL, value: 7 }], undefined],
      [5, [ours], { mask: ALL, value: 8 }],
    ],
  )
})
