import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observeRuleset } from '../../../../kubespan/apply/ruleset.ts'
import { checkFirewall } from '../../../../kubespan/doctor/checks/firewall.ts'
import type { FirewallFact } from '../../../../kubespan/doctor/facts.ts'
import type { TestPacket } from '../../../../kubespan/inspect/nft-match.ts'
import { type ChainVerdict, judgeChain } from '../../../../kubespan/inspect/nft-verdict.ts'
import { type Json, parseRuleset, type Ruleset } from '../../../../kubespan/model/nft-ruleset.ts'
import { facts } from '../../../support/doctor-facts.ts'

const CALL: TestPacket = { family: 4, iif: 'eth0', udpPort: 51820 }
const accept = { accept: null }
const drop = { drop: null }
const match = (left: Json, right: Json, op = '=='): Json => ({ match: { op, left, right } })
const payload = (protocol: string, field: string): Json => ({ payload: { protocol, field } })
const meta = (key: string): Json => ({ meta: { key } })
const ct = (key: string): Json => ({ ct: { key } })

const head = (family: string, name = 'INPUT', policy = 'accept'): Json => ({
  chain: { family, table: 'filter', name, handle: 1, type: 'filter', hook: 'input', prio: 0, policy },
})
/** A ruleset of one chain that packets come to, and others that it may call. */
const rulesetOf = (
  rules: readonly (readonly Json[])[],
  more: readonly Json[] = [],
  policy = 'accept',
): Ruleset =>
  parseRuleset(
    JSON.stringify({
      nftables: [
        { metainfo: { version: '1.0.6' } },
        { table: { family: 'inet', name: 'filter', handle: 1 } },
        head('inet', 'INPUT', policy),
        ...more,
        ...rules.map((expr, handle) => ({
          rule: { family: 'inet', table: 'filter', chain: 'INPUT', handle, expr },
        })),
      ],
    }),
  )
const judged = (ruleset: Ruleset, packet = CALL): ChainVerdict['verdict'] => {
  const [chain] = ruleset.chains
  assert.ok(chain)
  return judgeChain(ruleset, chain, packet).verdict
}
const verdict = (rules: readonly (readonly Json[])[], more: readonly Json[] = [], packet = CALL) =>
  judged(rulesetOf(rules, more), packet)

/** One condition, and whether a call meets it. */
const conditions: readonly [string, Json, 'yes' | 'no' | 'some' | 'unknown'][] = [
  ['another port', match(payload('udp', 'dport'), 53), 'no'],
  ['not another port', match(payload('udp', 'dport'), 53, '!='), 'yes'],
  ['TCP', match(payload('tcp', 'dport'), 51820), 'no'],
  ['not a port of TCP, which it has none of', match(payload('tcp', 'dport'), 22, '!='), 'no'],
  ['a lower port', match(payload('th', 'dport'), 1024, '<'), 'no'],
  ['the port by its place', match({ payload: { base: 'th', offset: 16, len: 16 } }, 51820), 'yes'],
  ['the other family', match(payload('ip6', 'saddr'), 'fd00::1'), 'no'],
  ['the protocol in the header', match(payload('ip', 'protocol'), 'udp'), 'yes'],
  ['the protocol by number', match(meta('l4proto'), 17), 'yes'],
  ['a family by name', match(meta('nfproto'), 'ipv6'), 'no'],
  ['a protocol of the link', match(meta('protocol'), 'ip'), 'yes'],
  ['a link by the beginning of its name', match(meta('iifname'), 'eth*'), 'yes'],
  ['another link', match(meta('iifname'), 'lo'), 'no'],
  ['no mark', match({ '&': [meta('mark'), 0x8000] }, 0x8000), 'no'],
  ['an old connection', match(ct('state'), ['established', 'related'], 'in'), 'no'],
  ['a new one among others', match(ct('state'), { set: ['new', 'untracked'] }), 'yes'],
  ['a redirected one', match(ct('status'), 'dnat', 'in'), 'no'],
  ['who sends it', match(payload('ip', 'saddr'), '10.0.0.1'), 'some'],
  ['who does not', match(payload('ip', 'saddr'), '10.0.0.1', '!='), 'unknown'],
  ['a failed path back', match({ fib: { result: 'oif', flags: ['saddr', 'iif'] } }, false), 'no'],
  ['an address of this host', match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'), 'yes'],
  ['what nobody knows', match({ unheard: { of: 1 } }, 1), 'unknown'],
  ['a set that is not there', match(payload('udp', 'dport'), '@nothing'), 'unknown'],
  ['a set with timeouts', match(payload('udp', 'dport'), '@ports'), 'yes'],
  [
    'two fields at once',
    match(
      { concat: [meta('l4proto'), payload('th', 'dport')] },
      { set: [{ concat: ['udp', { range: [51000, 52000] }] }] },
    ),
    'yes',
  ],
  [
    'two fields, one of who sends it',
    match(
      { concat: [payload('ip', 'saddr'), payload('udp', 'dport')] },
      { set: [{ concat: ['10.0.0.1', 51820] }] },
    ),
    'some',
  ],
  ['a limit', { limit: { rate: 10, per: 'second' } }, 'yes'],
  ['a limit that is exceeded', { limit: { rate: 10, per: 'second', inv: true } }, 'no'],
  ['an extension of iptables', { xt: { type: 'match', name: 'comment' } }, 'yes'],
  ['an extension that says who', { xt: { type: 'match', name: 'recent' } }, 'some'],
  ['an extension without words', { xt: { type: 'match', name: 'conntrack' } }, 'unknown'],
  ['an extension without a name', { xt: null }, 'unknown'],
]
const SETS: readonly Json[] = [
  {
    set: {
      ...{ family: 'inet', table: 'filter', name: 'ports', type: 'inet_service' },
      elem: [{ elem: { val: 51820, timeout: 60 } }],
    },
  },
]
for (const [name, condition, truth] of conditions)
  test(`a call meets a condition, or not: ${name}`, () => {
    const opens = verdict([[condition, accept], [drop]], SETS)
    const closes = verdict([[condition, drop], [accept]], SETS)
    assert.deepEqual(
      [opens, closes],
      {
        yes: ['open', 'closed'],
        no: ['closed', 'open'],
        // Who is on a list of the unwanted is no member.
        some: ['partly', 'open'],
        unknown: ['partly', 'partly'],
      }[truth],
    )
  })

test('chains that are called give their verdicts, or the packet back', () => {
  const called = (...rules: readonly (readonly Json[])[]): readonly Json[] => [
    { chain: { family: 'inet', table: 'filter', name: 'other', handle: 9 } },
    ...rules.map((expr) => ({ rule: { family: 'inet', table: 'filter', chain: 'other', handle: 8, expr } })),
  ]
  const jump = { jump: { target: 'other' } }
  const goto = { goto: { target: 'other' } }
  assert.equal(verdict([[jump], [drop]], called([accept])), 'open')
  assert.equal(verdict([[jump], [accept]], called([drop])), 'closed')
  assert.equal(verdict([[jump], [drop]], called([{ return: null }, accept])), 'closed')
  assert.equal(verdict([[goto], [drop]], called()), 'open', 'who comes back from a goto has the policy')
  assert.equal(verdict([[jump], [accept]], called([jump])), 'open', 'no circle is endless')
  const vmap = {
    vmap: {
      key: payload('udp', 'dport'),
      data: {
        set: [
          [{ range: [1, 9] }, drop],
          [51820, jump],
        ],
      },
    },
  }
  assert.equal(verdict([[vmap], [drop]], called([accept])), 'open')
  const map = { map: { family: 'inet', table: 'filter', name: 'm', elem: [['eth0', drop]] } }
  assert.equal(verdict([[{ vmap: { key: meta('iifname'), data: '@m' } }]], [map]), 'closed')
  assert.equal(verdict([[{ queue: { num: 1 } }]]), 'partly')
  assert.equal(judged(rulesetOf([[match(payload('ip', 'saddr'), '10.0.0.1'), accept]], [], 'drop')), 'partly')
})

/** What nft 1.0.6 printed of rules that iptables-nft 1.8.9 had written: only the words tell what they ask. */
const IPTABLES: readonly [string, readonly Json[], string][] = [
  [
    'established',
    [{ xt: { type: 'match', name: 'conntrack' } }, accept],
    'ct state related,established counter packets 0 bytes 0 accept',
  ],
  [
    'ssh',
    [
      match(meta('l4proto'), 'tcp'),
      { xt: { type: 'match', name: 'conntrack' } },
      match(payload('tcp', 'dport'), 22),
      accept,
    ],
    'meta l4proto tcp ct state new tcp dport 22 counter packets 0 bytes 0 accept',
  ],
  [
    'mosh',
    [match(meta('l4proto'), 'udp'), { xt: { type: 'match', name: 'multiport' } }, accept],
    'meta l4proto udp udp dport { 53, 60000-61000 } counter packets 0 bytes 0 accept',
  ],
  ['log', [{ xt: { type: 'target', name: 'LOG' } }], 'counter packets 0 bytes 0 log'],
  [
    'local',
    [{ xt: { type: 'match', name: 'addrtype' } }, { xt: { type: 'target', name: 'REJECT' } }],
    'fib daddr type local counter packets 0 bytes 0 reject with icmp type host-prohibited',
  ],
]
const iptables = (...more: (typeof IPTABLES)[number][]) => {
  const all = [...more, ...IPTABLES]
  return {
    json: JSON.stringify({
      nftables: [
        head('ip'),
        ...all.map(([, expr], index) => ({
          rule: { family: 'ip', table: 'filter', chain: 'INPUT', handle: index + 2, expr },
        })),
      ],
    }),
    words: `table ip filter { # handle 1\n\tchain INPUT { # handle 1\n${all
      .map(([, , text], index) => `\t\t${text} # handle ${index + 2}\n`)
      .join('')}\t}\n}\n`,
  }
}

test('rules of iptables-nft are read, by their words where JSON only names them', async () => {
  const { json, words } = iptables()
  const run = async (_tool: string, args: readonly string[]): Promise<string> =>
    args[0] === '-j' ? json : words
  assert.equal(judged(await observeRuleset({ run })), 'closed')
  assert.equal(judged(parseRuleset(json)), 'partly', 'without words it cannot be told')
  const open = iptables([
    'port',
    [{ xt: { type: 'match', name: 'multiport' } }, accept],
    'udp dport { 53, 51820 } accept',
  ])
  assert.equal(judged(parseRuleset(open.json, open.words)), 'open')
})

test('the command is that of whoever manages the chain', () => {
  const { json, words } = iptables()
  const mend = (change: Partial<FirewallFact>): string | undefined =>
    checkFirewall(
      facts({
        firewall: {
          ...{ hasFirewalld: false, hasUfw: false, hasIptablesNft: false, hasLegacyTables: false },
          ruleset: { value: parseRuleset(json, words) },
          ...change,
        },
      }),
    )[0]?.mend
  assert.equal(mend({}), 'nft insert rule ip filter INPUT udp dport 51820 accept')
  assert.equal(mend({ hasIptablesNft: true }), 'iptables-nft -I INPUT -p udp --dport 51820 -j ACCEPT')
  assert.equal(mend({ hasIptablesNft: true, hasUfw: true }), 'ufw allow 51820/udp')
  const zone = {
    value: parseRuleset(
      json
        .replaceAll('"filter","name"', '"firewalld","name"')
        .replaceAll('"table":"filter"', '"table":"firewalld"'),
      '',
    ),
  }
  assert.equal(
    mend({ ruleset: zone, hasFirewalld: true }),
    'firewall-cmd --permanent --add-port=51820/udp && firewall-cmd --reload',
  )
  const empty = { value: parseRuleset('{"nftables":[]}') }
  assert.equal(
    mend({ ruleset: empty, hasLegacyTables: true }),
    'iptables-legacy -I INPUT -p udp --dport 51820 -j ACCEPT',
  )
  assert.equal(mend({ ruleset: empty }), undefined)
})

test('a firewall is judged on a host that is on no network yet', () => {
  const firewall: FirewallFact = {
    ...{ hasFirewalld: false, hasUfw: false, hasIptablesNft: false, hasLegacyTables: false },
    ruleset: { value: rulesetOf([[match(payload('tcp', 'dport'), 22), accept], [{ reject: null }]]) },
  }
  const [finding] = checkFirewall(facts({ firewall, uplinks: { value: [] }, links: { value: [] } }))
  assert.match(finding?.says ?? '', /^chain INPUT of table inet filter rejects UDP 51820: /)
})
