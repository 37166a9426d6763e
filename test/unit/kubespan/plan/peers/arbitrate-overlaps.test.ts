import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  arbitrateOverlaps,
  describeHolding,
  type Holding,
} from '../../../../../kubespan/plan/peers/arbitrate-overlaps.ts'
import type { Prefix } from '../../../../../shared/net/address.ts'

const vip = '10.0.0.100/32' as Prefix
const patience = 275_000

/** Three peers that all claim one address; `a` has it by id order. */
class Claimants {
  readonly ids: readonly string[] = ['a', 'b', 'c']
  readonly notUpSince = new Map<string, number | undefined>(this.ids.map((id) => [id, undefined]))
  holdings: ReadonlyMap<Prefix, Holding> = new Map()

  down(id: string, now: number): void {
    this.notUpSince.set(id, this.notUpSince.get(id) ?? now)
  }

  up(id: string): void {
    this.notUpSince.set(id, undefined)
  }

  /** Who is sent the packets now. */
  holder(now: number): string {
    const { notUpSince, holdings } = this
    this.holdings = arbitrateOverlaps({
      contested: new Map([[vip, this.ids]]),
      holdings,
      notUpSince,
      now,
      patience,
    })
    return this.holdings.get(vip)?.holderId ?? 'a'
  }
}

test('a prefix moves to a peer that is up when its owner was down long enough, and no sooner', () => {
  const peers = new Claimants()
  assert.equal(peers.holder(0), 'a')
  peers.down('a', 1000)
  assert.equal(peers.holder(1000 + patience - 1), 'a')
  assert.equal(peers.holder(1000 + patience), 'b')
  assert.match(
    describeHolding(vip, peers.holdings.get(vip) as Holding),
    /10.0.0.100\/32 is with affiliate b while a/,
  )
})

test('it goes back only when the owner has been up as long without a break', () => {
  const peers = new Claimants()
  peers.down('a', 0)
  assert.equal(peers.holder(patience), 'b')
  peers.up('a')
  assert.equal(peers.holder(300_000), 'b', 'the owner is back')
  peers.down('a', 310_000)
  assert.equal(peers.holder(310_000), 'b', 'for a moment')
  peers.up('a')
  assert.equal(peers.holder(320_000), 'b')
  assert.equal(peers.holder(320_000 + patience - 1), 'b')
  assert.equal(peers.holder(320_000 + patience), 'a')
})

test('a holder that fails gives way at once to an owner that is up, and to others only after as long', () => {
  const peers = new Claimants()
  peers.down('a', 0)
  assert.equal(peers.holder(patience), 'b')
  peers.down('b', 300_000)
  assert.equal(peers.holder(300_000), 'b')
  assert.equal(peers.holder(300_000 + patience), 'c')
  peers.down('c', 600_000)
  peers.up('a')
  assert.equal(peers.holder(600_000), 'a')
})

test('with nobody up nothing moves', () => {
  const peers = new Claimants()
  for (const id of peers.ids) peers.down(id, 0)
  assert.equal(peers.holder(10 * patience), 'a')
  peers.up('c')
  assert.equal(peers.holder(11 * patience), 'c')
  peers.down('c', 12 * patience)
  assert.equal(peers.holder(20 * patience), 'c', 'not even back')
})

test('a peer that was never seen is neither up nor long down', () => {
  const contested = new Map([[vip, ['a', 'b']]])
  const ask = (notUpSince: Map<string, number | undefined>) =>
    arbitrateOverlaps({ contested, holdings: new Map(), notUpSince, now: 1e9 }).get(vip)?.holderId
  assert.equal(ask(new Map([['b', undefined]])), undefined)
  assert.equal(ask(new Map([['a', 0]])), undefined)
  assert.equal(
    ask(
      new Map([
        ['a', 0],
        ['b', undefined],
      ]),
    ),
    'b',
  )
})

test('what is no longer contested, or has another owner, is nobody else’s', () => {
  const holdings = new Map([[vip, { ownerId: 'a', holderId: 'b', ownerUpSince: undefined }]])
  const notUpSince = new Map([
    ['a', 0],
    ['b', undefined],
    ['0', undefined],
  ])
  const ask = (contested: [Prefix, string[]][]) =>
    arbitrateOverlaps({ contested: new Map(contested), holdings, notUpSince, now: 1 }).size
  assert.equal(ask([]), 0)
  assert.equal(ask([[vip, ['a', 'c']]]), 0, 'the holder gave it up')
  assert.equal(ask([[vip, ['0', 'a', 'b']]]), 0, 'a lower id came, and it is up')
  assert.equal(ask([[vip, ['a', 'b']]]), 1)
})

test('between two moves of a prefix lies the patience, unless the holder failed', () => {
  const event = fc.record({
    after: fc.integer({ min: 1, max: 200_000 }),
    id: fc.constantFrom('a', 'b', 'c'),
    isUp: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const peers = new Claimants()
      let [now, movedAt, holder] = [0, -Infinity, 'a']
      for (const { after, id, isUp } of events) {
        now += after
        if (isUp) peers.up(id)
        else peers.down(id, now)
        const next = peers.holder(now)
        if (next === holder) continue
        assert.equal(peers.notUpSince.get(next), undefined, 'it moves only to one that is up')
        if (peers.notUpSince.get(holder) === undefined) assert.ok(now - movedAt >= patience)
        movedAt = now
        holder = next
      }
    }),
  )
})
