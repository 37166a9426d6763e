import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countsSince, parseCounts, parseLeaks, watchRules, wireguardCount } from '../../lab/wan-watch.ts'

const counters = (...counts: [name: string, packets: number][]): string =>
  JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      ...counts.map(([name, packets]) => ({
        counter: { family: 'inet', name, table: 'watch', handle: 1, packets, bytes: packets * 100 },
      })),
    ],
  })

test('counters are read by kind, and compared', () => {
  const before = parseCounts(counters(['data', 5], ['initiation', 1]))
  const now = parseCounts(counters(['data', 8], ['initiation', 2], ['other', 4]))
  const since = countsSince(before, now)
  assert.deepEqual([since.data.packets, since.other.bytes, since.cookie.packets], [3, 400, 0])
  assert.deepEqual(wireguardCount(since), { packets: 4, bytes: 400 })
})

test('who leaked is read with both addresses; an empty set has no elements', () => {
  const set = (elem?: object[]): string =>
    JSON.stringify({ nftables: [{ set: { name: 'leaks4', ...(elem && { elem }) } }] })
  assert.deepEqual(parseLeaks(set()), [])
  const elem = { val: { concat: ['198.18.1.2', '10.9.0.2', 'icmp'] }, counter: { packets: 3, bytes: 252 } }
  assert.deepEqual(parseLeaks(set([{ elem }])), [
    { from: '198.18.1.2', to: '10.9.0.2', protocol: 'icmp', packets: 3, bytes: 252 },
  ])
})

test('the rules end in the counter for what is in clear, and name the discovery port', () => {
  const rules = watchRules(3333)
  assert.match(rules, /ip6 saddr 2001:db8:ff00::8 tcp sport 3333 counter name discovery accept/)
  assert.ok(rules.lastIndexOf('accept') < rules.indexOf('counter name other'))
})
