import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  nextDeadline,
  peersOf,
  RETENTION,
  type RetainedAffiliate,
  type RetentionInput,
  retainAffiliates,
  unconfirmed,
} from '../../../../../kubespan/plan/members/retain.ts'
import { claimedBy } from '../../../../../kubespan/plan/peers/claims.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const node = (nodeId: string, said: Partial<Parameters<typeof affiliateOf>[0]> = {}) =>
  affiliateOf({
    publicKey: `key-${nodeId}`,
    address: `fd00::${nodeId}` as Address,
    addresses: [`10.0.0.${nodeId}`, '172.17.0.1'] as Address[],
    ...said,
    nodeId,
  })

const deleted = { explicitDeletions: new Set(['2']) }
/** It is given up at once. */
const isGone = { ...deleted, down: new Set(['key-2']) }
const silentSince = (since: number) => ({ silentSince: new Map([['key-2', since]]) })

/** A daemon that has seen these nodes and hears their tunnels until told otherwise. */
class Daemon {
  retained: readonly RetainedAffiliate[]
  readonly lastReceiveAt = new Map<string, number>()
  settings = RETENTION

  constructor(affiliates: readonly Affiliate[], heardAt?: number) {
    this.retained = affiliates.map((affiliate) => ({
      affiliate,
      unconfirmedUntil: undefined,
      soleClaims: [],
    }))
    if (heardAt !== undefined) this.lastReceiveAt.set('key-2', heardAt)
  }

  /** What is kept: `id`, `id until instant`, or `id held until instant`. */
  hear(now: number, current: readonly Affiliate[], said: Partial<RetentionInput> = {}): string[] {
    this.retained = retainAffiliates({
      previous: this.retained,
      current,
      isComplete: true,
      explicitDeletions: new Set(),
      forgotten: new Set(),
      lastReceiveAt: this.lastReceiveAt,
      claimsOf: claimedBy,
      now,
      settings: this.settings,
      ...said,
    } as RetentionInput)
    return this.retained.map(
      ({ affiliate, unconfirmedUntil, held }) =>
        affiliate.nodeId +
        (held === undefined ? '' : ' held') +
        (unconfirmedUntil === undefined ? '' : ` until ${unconfirmedUntil}`),
    )
  }
}

const [one, two] = [node('1'), node('2')]

test('a live tunnel outlives its record, deleted or gone, for as long as it is live', () => {
  for (const said of [{}, deleted]) {
    const daemon = new Daemon([one, two], 40_000)
    for (let now = 100_000; now < 40_000_000; now += 60_000) {
      daemon.lastReceiveAt.set('key-2', now - 25_000)
      assert.deepEqual(daemon.hear(now, [one], said), ['1', '2 until Infinity'])
      assert.equal(nextDeadline(daemon.retained), undefined)
    }
    assert.deepEqual(daemon.hear(40_000_000, [one, two]), ['1', '2'], 'and comes back with it')
  }
})

test('nothing is a new value where nothing is new', () => {
  const daemon = new Daemon([one, two], 40_000)
  daemon.hear(50_000, [one])
  const before = daemon.retained
  daemon.hear(50_001, [one])
  assert.equal(daemon.retained, before)
})

test('a silent one is kept for a grace time since it was heard, shorter where somebody deleted it', () => {
  const daemon = new Daemon([one, two], 100_000)
  const silent = silentSince(150_000)
  assert.deepEqual(daemon.hear(152_999, [one], silent), ['1', '2 until Infinity'], 'an idle tunnel is silent')
  assert.deepEqual(daemon.hear(153_000, [one], silent), ['1', '2 until 400000'])
  assert.equal(nextDeadline(daemon.retained), 400_000)
  assert.deepEqual(daemon.hear(399_999, [one], silent), ['1', '2 until 400000'])
  assert.deepEqual(daemon.hear(400_000, [one], silent), ['1', '2 held until 1952999'])

  const other = new Daemon([two], 100_000)
  const gone = { ...deleted, ...silentSince(110_000) }
  assert.deepEqual(other.hear(120_000, [], gone), ['2 until 160000'])
  assert.deepEqual(other.hear(160_000, [], gone), ['2 held until 1920000'])

  const down = new Daemon([two], 100_000)
  const isDown = { ...gone, down: new Set(['key-2']) }
  assert.deepEqual(down.hear(120_000, [], isDown), ['2 held until 1920000'], 'down, and deleted')
})

test('one that was never heard is tried for as long, and then given up', () => {
  const daemon = new Daemon([one, two])
  assert.deepEqual(daemon.hear(1_000, [one]), ['1', '2 until 301000'])
  assert.deepEqual(daemon.hear(300_999, [one]), ['1', '2 until 301000'])
  assert.deepEqual(daemon.hear(301_000, [one]), ['1', '2 held until 1801000'])
})

test('one whose mesh address another node is up with is given up: nobody could ask it any more', () => {
  const daemon = new Daemon([one, two], 1_000)
  assert.deepEqual(daemon.hear(2_000, [one]), ['1', '2 until Infinity'])
  const owned = (...prefixes: string[]) => ({ owned: new Map([['3', prefixes as Prefix[]]]) })
  assert.deepEqual(daemon.hear(3_000, [one, node('3')], owned('10.0.0.2/32')), ['1', '2 until Infinity', '3'])
  const taken = node('3', { address: 'fd00::2' as Address })
  assert.deepEqual(daemon.hear(4_000, [one, taken], owned('fd00::2/128')), ['1', '2 held until 1802000', '3'])
  assert.deepEqual(daemon.retained[1]?.held, ['10.0.0.2/32', '172.17.0.1/32'])
})

test('one whose path breaks for a moment while its record is withheld stays a peer', () => {
  const daemon = new Daemon([two], 100_000)
  assert.deepEqual(daemon.hear(110_000, [], deleted), ['2 until Infinity'])
  assert.deepEqual(daemon.hear(115_000, [], { ...deleted, ...silentSince(111_000) }), ['2 until 160000'])
  daemon.lastReceiveAt.set('key-2', 130_000)
  assert.deepEqual(daemon.hear(131_000, [], deleted), ['2 until Infinity'])
})

test('what a node owned that is given up is held, and then let go', () => {
  const daemon = new Daemon([one, node('2', { additionalAddresses: ['10.244.2.0/24'] as Prefix[] })])
  assert.deepEqual(daemon.hear(1_000, [one], isGone), ['1', '2 held until 1801000'])
  assert.deepEqual(daemon.retained[1]?.held, ['10.244.2.0/24', '10.0.0.2/32', '172.17.0.1/32', 'fd00::2/128'])
  assert.deepEqual(peersOf(daemon.retained), [one])
  assert.deepEqual(daemon.hear(1_800_999, [one]), ['1', '2 held until 1801000'])
  assert.deepEqual(daemon.hear(1_801_000, [one]), ['1'])
})

test('of what is held, that goes which another member has that is up, and for good', () => {
  const daemon = new Daemon([one, two])
  daemon.hear(1_000, [one], isGone)
  const owned = (...prefixes: string[]) => ({ owned: new Map([['1', prefixes as Prefix[]]]) })
  daemon.hear(2_000, [one], owned('10.0.0.0/8'))
  assert.deepEqual(daemon.retained[1]?.held, ['172.17.0.1/32', 'fd00::2/128'])
  daemon.hear(3_000, [one])
  assert.deepEqual(daemon.retained[1]?.held, ['172.17.0.1/32', 'fd00::2/128'])
  assert.deepEqual(daemon.hear(4_000, [one], owned('172.17.0.1/32', 'fd00::/16')), ['1'])
})

test('one that is held is a peer again when a registry vouches for it', () => {
  const daemon = new Daemon([one, two])
  daemon.hear(1_000, [one], isGone)
  assert.deepEqual(daemon.hear(2_000, [one, two]), ['1', '2'])
  assert.deepEqual(peersOf(daemon.retained), [one, two])
})

test('who says itself that it has left is not held', () => {
  const daemon = new Daemon([one, two], 1_000)
  const farewell = affiliateOf({ nodeId: '2' })
  assert.deepEqual(daemon.hear(2_000, [one, farewell]), ['1', '2'])
  assert.deepEqual(daemon.hear(3_000, [one], deleted), ['1'])
})

test('no grace is the protocol for peers, and no hold for prefixes', () => {
  const daemon = new Daemon([two], 0)
  daemon.settings = { ...RETENTION, graceAfterLoss: 0, graceAfterDeletion: 0 }
  assert.deepEqual(daemon.hear(0, []), ['2 held until 1800000'])
  const bare = new Daemon([two], 0)
  bare.settings = { ...daemon.settings, holdAfterLoss: 0 }
  assert.deepEqual(bare.hear(0, []), [])
})

test('a live tunnel is that of the record with its key that a registry vouches for', () => {
  const daemon = new Daemon([one, two], 0)
  const other = node('3', { publicKey: 'key-2' })
  assert.deepEqual(daemon.hear(0, [one, other]), ['1', '2 held until 1800000', '3'])
})

test('a claim of another on an address that it alone had ends the grace of a silent one, and no live one', () => {
  const claims = [
    node('3', { address: 'fd00::2' as Address }),
    node('3', { addresses: ['10.0.0.2'] as Address[] }),
    node('3', { additionalAddresses: ['10.244.2.0/24'] as Prefix[] }),
  ]
  for (const claim of claims) {
    const daemon = new Daemon([one, node('2', { additionalAddresses: ['10.244.2.0/24'] as Prefix[] })], 0)
    assert.deepEqual(
      daemon.hear(0, [one]),
      ['1', '2 until Infinity'],
      'the bridge address of 1 is an old one',
    )
    assert.deepEqual(daemon.hear(1_000, [one, claim]), ['1', '2 until Infinity', '3'])
    assert.deepEqual(daemon.hear(4_000, [one, claim], silentSince(1_000)), ['1', '2 held until 1800000', '3'])
  }
  const moved = node('1', { addresses: ['10.0.0.2', '172.17.0.1'] as Address[] })
  const daemon = new Daemon([one, two], 0)
  daemon.hear(0, [one])
  assert.deepEqual(daemon.hear(4_000, [moved], silentSince(0)), ['1', '2 held until 1800000'])
})

test('an address that several had all along ends nothing, though its other owners come and go', () => {
  const daemon = new Daemon([one, two], 0)
  assert.deepEqual(daemon.hear(10_000, [], silentSince(5_000)), ['1 until 310000', '2 until 300000'])
  assert.deepEqual(daemon.hear(11_000, [one, node('3')], silentSince(5_000)), ['1', '2 until 300000', '3'])
})

test('forgetting removes what nobody vouches for, held or not, and nothing else', () => {
  const daemon = new Daemon([one, two], 0)
  daemon.hear(0, [one])
  assert.deepEqual(daemon.hear(1000, [one], { forgotten: new Set(['1', '2']) }), ['1'])
  const held = new Daemon([one, two])
  held.hear(0, [one], isGone)
  assert.equal(held.retained[1]?.held?.length, 3)
  assert.deepEqual(held.hear(1000, [one], { forgotten: new Set(['2']) }), ['1'])
})

test('what the cache held lasts until a registry has spoken, and is held for longer after that', () => {
  const daemon = new Daemon([])
  daemon.retained = unconfirmed([one, two])
  const waiting = ['1 until Infinity', '2 until Infinity']
  assert.deepEqual(daemon.hear(1e12, [], { isComplete: false }), waiting)
  assert.equal(nextDeadline(daemon.retained), undefined)
  daemon.lastReceiveAt.set('key-2', 1e12)
  const cachedUntil = new Map([
    ['1', 1e12 + 86_400_000],
    ['2', 1e12 + 80_000_000],
  ])
  assert.deepEqual(
    daemon.hear(1e12, [], { cachedUntil }),
    [`1 until ${1e12 + 300_000}`, '2 until Infinity'],
    'then its tunnel speaks for it',
  )
  assert.deepEqual(daemon.hear(1e12 + 300_000, [], { cachedUntil }), [
    `1 held until ${1e12 + 86_400_000}`,
    '2 until Infinity',
  ])
  const forgetful = new Daemon([])
  forgetful.retained = unconfirmed([one, two])
  assert.deepEqual(forgetful.hear(1e12, [], { isComplete: false, forgotten: new Set(['1']) }), [
    '2 until Infinity',
  ])
})
