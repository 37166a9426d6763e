import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markRules } from '../../../../kubespan/inspect/mark-rules.ts'
import { parseRuleset } from '../../../../kubespan/inspect/nft-ruleset.ts'

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
        ...{ family: 'inet', table: 'nb', chain: 'p', hook: 'prerouting', priority: -150 },
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
