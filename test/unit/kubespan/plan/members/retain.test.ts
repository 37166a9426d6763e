import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  nextDeadline,
  RETENTION,
  type RetainedAffiliate,
  type RetentionInput,
  retainAffiliates,
  unconfirmed,
} from '../../../../../kubespan/plan/members/retain.ts'
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

/** A daemon that has seen these nodes and hears their tunnels until told otherwise. */
class Daemon {
  retained: readonly RetainedAffiliate[]
  readonly lastReceiveAt = new Map<string, number>()
  settings = RETENTION

  constructor(affiliates: readonly Affiliate[]) {
    this.retained = affiliates.map((affiliate) => ({
      affiliate,
      unconfirmedUntil: undefined,
      soleClaims: [],
    }))
  }

  /** What is kept, as `id` or `id until instant`. */
  hear(now: number, current: readonly Affiliate[], said: Partial<RetentionInput> = {}): string[] {
    this.retained = retainAffiliates({
      previous: this.retained,
      current,
      isComplete: true,
      explicitDeletions: new Set(),
      forgotten: new Set(),
      lastReceiveAt: this.lastReceiveAt,
      now,
      settings: this.settings,
      ...said,
    })
    return this.retained.map(
      ({ affiliate, unconfirmedUntil }) =>
        affiliate.nodeId + (unconfirmedUntil === undefined ? '' : ` until ${unconfirmedUntil}`),
    )
  }
}

const [one, two] = [node('1'), node('2')]

test('a live tunnel outlives its record by the grace time, and comes back with it', () => {
  const daemon = new Daemon([one, two])
  daemon.lastReceiveAt.set('key-2', 40_000)
  assert.deepEqual(daemon.hear(100_000, [one]), ['1', '2 until 400000'])
  assert.equal(nextDeadline(daemon.retained), 400_000)
  assert.deepEqual(daemon.hear(200_000, [one]), ['1', '2 until 400000'], 'silent meanwhile or not')
  assert.deepEqual(daemon.hear(300_000, [one, two]), ['1', '2'])
  assert.equal(nextDeadline(daemon.retained), undefined)

  daemon.lastReceiveAt.set('key-2', 500_000)
  assert.deepEqual(daemon.hear(500_000, [one]), ['1', '2 until 800000'])
  assert.deepEqual(daemon.hear(799_999, [one]), ['1', '2 until 800000'])
  assert.deepEqual(daemon.hear(800_000, [one]), ['1'])
})

test('a dead tunnel is not kept', () => {
  const daemon = new Daemon([one, two])
  daemon.lastReceiveAt.set('key-2', 39_999)
  assert.deepEqual(daemon.hear(100_000, [one]), ['1'])
  assert.deepEqual(new Daemon([one]).hear(0, []), [], 'nor is one that was never heard')
})

test('what somebody deleted is kept for less, whenever the deletion is learned', () => {
  const explicitDeletions = new Set(['2'])
  const daemon = new Daemon([two])
  daemon.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(daemon.hear(0, [], { explicitDeletions }), ['2 until 60000'])
  assert.deepEqual(
    daemon.hear(30_000, [], { explicitDeletions }),
    ['2 until 60000'],
    'it does not count anew',
  )

  const later = new Daemon([two])
  later.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(later.hear(0, []), ['2 until 300000'])
  assert.deepEqual(later.hear(100_000, [], { explicitDeletions }), ['2 until 160000'])
  assert.deepEqual(later.hear(299_000, [], { explicitDeletions }), [])
})

test('no grace is the protocol', () => {
  const daemon = new Daemon([two])
  daemon.settings = { ...RETENTION, graceAfterLoss: 0, graceAfterDeletion: 0 }
  daemon.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(daemon.hear(0, []), [])
})

test('a claim of another on its key or on an address that it alone had ends it', () => {
  const claims = [
    node('3', { publicKey: 'key-2' }),
    node('3', { address: 'fd00::2' as Address }),
    node('3', { addresses: ['10.0.0.2'] as Address[] }),
    node('3', { additionalAddresses: ['10.244.2.0/24'] as Prefix[] }),
  ]
  for (const claim of claims) {
    const daemon = new Daemon([one, node('2', { additionalAddresses: ['10.244.2.0/24'] as Prefix[] })])
    daemon.lastReceiveAt.set('key-2', 0)
    assert.deepEqual(daemon.hear(0, [one]), ['1', '2 until 300000'], 'the bridge address of 1 is an old one')
    assert.deepEqual(daemon.hear(1000, [one, claim]), ['1', '3'])
  }
  const daemon = new Daemon([one, two])
  daemon.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(daemon.hear(0, [one]), ['1', '2 until 300000'])
  const moved = node('1', { addresses: ['10.0.0.2', '172.17.0.1'] as Address[] })
  assert.deepEqual(daemon.hear(1000, [moved]), ['1'], 'an old node with a new address')
})

test('an address that several had all along ends nothing, though its other owners come and go', () => {
  const daemon = new Daemon([one, two])
  daemon.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(daemon.hear(0, []), ['2 until 300000'])
  assert.deepEqual(daemon.hear(1000, [one, node('3')]), ['1', '2 until 300000', '3'])
})

test('the same node with a new key replaces the old one at once', () => {
  const daemon = new Daemon([two])
  daemon.lastReceiveAt.set('key-2', 0)
  daemon.hear(0, [])
  const renewed = node('2', { publicKey: 'new key' })
  assert.deepEqual(daemon.hear(1000, [renewed]), ['2'])
  assert.equal(daemon.retained[0]?.affiliate, renewed)
})

test('forgetting removes what nobody vouches for, and nothing else', () => {
  const daemon = new Daemon([one, two])
  daemon.lastReceiveAt.set('key-2', 0)
  assert.deepEqual(daemon.hear(0, [one]), ['1', '2 until 300000'])
  assert.deepEqual(daemon.hear(1000, [one], { forgotten: new Set(['1', '2']) }), ['1'])
})

test('what the cache held lasts until a registry has spoken', () => {
  const daemon = new Daemon([])
  daemon.retained = unconfirmed([one, two])
  const waiting = ['1 until Infinity', '2 until Infinity']
  assert.deepEqual(daemon.hear(1e12, [], { isComplete: false }), waiting)
  assert.equal(nextDeadline(daemon.retained), undefined)
  assert.deepEqual(daemon.hear(1e12, [], { isComplete: false, forgotten: new Set(['1']) }), [
    '2 until Infinity',
  ])
  daemon.lastReceiveAt.set('key-2', 1e12)
  assert.deepEqual(
    daemon.hear(1e12, [one]),
    ['1', `2 until ${1e12 + 300_000}`],
    'then its tunnel speaks for it',
  )
})

test('a record that somebody deleted has no grace once the path to its peer is dead', () => {
  const deleted = { explicitDeletions: new Set(['2']) }
  const heard = (): Daemon => {
    const daemon = new Daemon([one, two])
    daemon.lastReceiveAt.set('key-2', 0)
    return daemon
  }
  assert.deepEqual(heard().hear(5_000, [one], { ...deleted, silentSince: new Map([['key-2', 1_000]]) }), [
    '1',
  ])
  assert.deepEqual(
    heard().hear(5_000, [one], { silentSince: new Map([['key-2', 1_000]]) }),
    ['1', '2 until 305000'],
    'of one that went missing nobody said that it is gone',
  )
  const racing = heard()
  const silentSince = new Map([['key-2', 4_000]])
  assert.deepEqual(racing.hear(5_000, [one], { ...deleted, silentSince }), ['1', '2 until 65000'])
  assert.deepEqual(racing.hear(6_999, [one], { ...deleted, silentSince }), ['1', '2 until 65000'])
  assert.deepEqual(racing.hear(7_000, [one], { ...deleted, silentSince }), ['1'])
})
