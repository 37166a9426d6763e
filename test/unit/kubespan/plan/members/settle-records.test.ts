import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeUnsettled, settleRecords } from '../../../../../kubespan/plan/members/settle-records.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const WALL = 1_800_000_000_000
const record = (publicKey: string, sealedAt?: number, host = '1'): Affiliate => ({
  ...affiliateOf({ nodeId: 'n', publicKey, addresses: [`10.0.0.${host}`] as Address[] }),
  ...(sealedAt === undefined ? {} : { sealedAt }),
})

interface Peer {
  readonly heardAt?: number
  readonly silentSince?: number
  readonly doubled?: boolean
  readonly neverHeard?: boolean
}

/** `said`, or why it does not count while `known` stands, whose peer was heard 10 s ago. */
function settle(known: Affiliate, said: Affiliate, peer: Peer = {}): string {
  const { heardAt = 90_000, silentSince, doubled = false, neverHeard = false } = peer
  const { current, unsettled } = settleRecords({
    standing: [{ affiliate: known, unconfirmedUntil: undefined, soleClaims: [] }],
    current: [said],
    doubled: new Set(doubled ? ['n'] : []),
    lastReceiveAt: new Map(neverHeard ? [] : [[known.kubespan.publicKey, heardAt]]),
    silentSince: new Map(silentSince === undefined ? [] : [[known.kubespan.publicKey, silentSince]]),
    now: 100_000,
  })
  assert.equal(current[0], unsettled.length === 0 ? said : known)
  return unsettled[0]?.why ?? 'counts'
}

test('of two records that say when they were sealed the later one counts, another key or a farewell included', () => {
  const known = record('a', WALL - 1000)
  assert.equal(settle(known, record('a', WALL - 999, '2')), 'counts')
  assert.equal(settle(known, record('b', WALL - 999)), 'counts')
  assert.equal(settle(known, record('', WALL - 999)), 'counts')
  assert.equal(settle(known, record('a', WALL - 1001, '2')), 'older')
  assert.equal(settle(known, record('', WALL - 1001)), 'older', 'a farewell of long ago')
  assert.equal(settle(known, record('b', WALL - 1001), { silentSince: 0 }), 'older', 'also of a silent peer')
})

test('a record with another key, or with none, waits while the peer answers', () => {
  const known = record('a')
  assert.equal(settle(known, record('b')), 'another key')
  assert.equal(settle(known, record('')), 'no key')
  assert.equal(settle(known, record('b', WALL)), 'another key', 'anybody can say when it was sealed')
  assert.equal(settle(record('a', WALL), record('b')), 'another key')
  assert.equal(settle(known, record('b'), { silentSince: 97_001 }), 'another key')
  assert.equal(settle(known, record('b'), { silentSince: 97_000 }), 'counts')
  assert.equal(settle(known, record('b'), { heardAt: 1 }), 'another key', 'an idle tunnel is silent')
  assert.equal(settle(known, record('b'), { neverHeard: true }), 'counts')
  assert.equal(settle(record(''), record('b')), 'counts')
})

test('what else is said of a node with the key that is known counts', () => {
  assert.equal(settle(record('a'), record('a', undefined, '2')), 'counts')
  assert.equal(settle(record('a', WALL), record('a', undefined, '2')), 'counts')
})

test('two machines with one id are not held to what the other said, and a key that answers stays', () => {
  assert.equal(settle(record('a', WALL), record('a', WALL - 1, '2'), { doubled: true }), 'counts')
  assert.equal(settle(record('a', WALL), record('b', WALL + 1), { doubled: true }), 'another key')
})

test('in words', () => {
  const words = (['another key', 'no key', 'older'] as const).map((why) =>
    describeUnsettled({ nodeId: 'n', publicKey: 'a', why }),
  )
  assert.match(words[0] ?? '', /another key/)
  assert.match(words[1] ?? '', /have left/)
  assert.equal(words[2], undefined)
})
