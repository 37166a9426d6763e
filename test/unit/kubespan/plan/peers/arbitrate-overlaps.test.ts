import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  arbitrateOverlaps,
  describeHolding,
  type Holding,
  SAME_AGE,
  TAKEN_BY_NEWER_AFTER,
  TAKEN_FROM_UNHEARD_AFTER,
} from '../../../../../kubespan/plan/peers/arbitrate-overlaps.ts'
import { type Contests, followContests, followKnown } from '../../../../../kubespan/plan/peers/contests.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

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

/** Peers that begin and cease to claim one address, looked at whenever something happens. */
class Movers {
  readonly claims = new Map<string, number>()
  readonly notUpSince = new Map<string, number | undefined>()
  readonly heardAt = new Map<string, number | undefined>()
  holdings: ReadonlyMap<Prefix, Holding> = new Map()
  contests: Contests = new Map()
  knownSince: ReadonlyMap<string, number> = new Map()
  listeningSince: number | undefined = 0
  #known: readonly string[] = []

  /** `id` says from now on that the address is its own; it is up unless said otherwise. */
  claim(id: string, now: number, isUp = true): string {
    this.claims.set(id, now)
    if (isUp) this.up(id, now)
    else this.notUpSince.set(id, now)
    return this.holder(now)
  }

  drop(id: string, now: number): string {
    this.claims.delete(id)
    return this.holder(now)
  }

  up(id: string, now: number): void {
    this.notUpSince.set(id, undefined)
    this.heardAt.set(id, now)
  }

  /** Heard until now, and not up from now on. */
  suspect(id: string, now: number): string {
    this.notUpSince.set(id, now)
    return this.holder(now)
  }

  holder(now: number): string {
    const claimants = [...this.claims.keys()].sort()
    const contested = new Map(claimants.length > 1 ? [[vip, claimants]] : [])
    const affiliate = (nodeId: string) =>
      affiliateOf({
        nodeId,
        publicKey: Buffer.alloc(32, nodeId).toString('base64'),
        address: 'fd00::1' as Address,
        addresses: ['10.0.0.100' as Address],
      })
    const contests = followContests({
      ...{ contested, before: this.contests, now },
      known: this.#known.map(affiliate),
      knownSince: this.knownSince,
    })
    const { notUpSince, heardAt, listeningSince, holdings } = this
    this.holdings = arbitrateOverlaps({
      ...{ contested, holdings, notUpSince, heardAt, contests, contestsBefore: this.contests },
      ...{ listeningSince, now, patience },
    })
    this.contests = contests
    this.knownSince = followKnown(claimants.map(affiliate), this.#known.map(affiliate), this.knownSince, now)
    this.#known = claimants
    return this.holdings.get(vip)?.holderId ?? claimants[0] ?? ''
  }
}

for (const [first, second] of [
  ['a', 'b'],
  ['b', 'a'],
] as const)
  test(`an address moves from ${first} to ${second}: with it as soon as the path to ${first} is found dead`, () => {
    const movers = new Movers()
    assert.equal(movers.claim(first, 1_000), first)
    movers.up(first, 60_000)
    assert.equal(movers.claim(second, 62_000), first, 'the holder still counts as up')
    assert.equal(movers.suspect(first, 66_000), second < first ? second : first, 'it may be found again')
    assert.equal(movers.holder(66_000 + TAKEN_BY_NEWER_AFTER), second)
    assert.equal(movers.holder(1_000_000), second)
  })

test('a holder that was only thought dead keeps its address', () => {
  const movers = new Movers()
  movers.claim('a', 0)
  movers.up('a', 20_000)
  movers.claim('b', 20_000)
  movers.suspect('a', 30_000)
  assert.equal(movers.holder(32_000), 'a')
  movers.up('a', 32_500)
  for (const now of [34_000, 60_000, 600_000]) assert.equal(movers.holder(now), 'a')
})

test('a newer claim takes nothing from a holder that is up, and one with a lower id only after the patience', () => {
  const higher = new Movers()
  higher.claim('a', 0)
  assert.equal(higher.claim('b', 20_000), 'a')
  assert.equal(higher.holder(20_000 + 10 * patience), 'a')

  const lower = new Movers()
  lower.claim('b', 0)
  assert.equal(lower.claim('a', 20_000), 'b')
  assert.equal(lower.holder(20_000 + patience - 1), 'b')
  assert.equal(lower.holder(20_000 + patience), 'a')
  assert.equal(lower.holder(20_000 + 10 * patience), 'a', 'once and for all')
})

test('a claim by somebody who is not up takes nothing, whatever its id', () => {
  const movers = new Movers()
  movers.claim('b', 0)
  assert.equal(movers.claim('a', 20_000, false), 'b')
  assert.equal(movers.holder(20_000 + 2 * patience), 'b')
  movers.suspect('b', 1_000_000)
  assert.equal(movers.holder(1_000_000 + patience), 'b', 'nobody is up')
  movers.up('a', 1_300_000)
  assert.equal(movers.holder(1_300_000), 'a')
})

test('who had it gets it back after the patience if it claims it first by id, and not before', () => {
  const movers = new Movers()
  movers.claim('a', 0)
  movers.claim('b', 20_000)
  movers.suspect('a', 30_000)
  assert.equal(movers.holder(33_000), 'b')
  movers.up('a', 40_000)
  assert.equal(movers.holder(40_000), 'b')
  assert.equal(movers.holder(40_000 + patience), 'a')
  assert.equal(movers.drop('b', 40_001 + patience), 'a')
})

test('two that have claimed it since about the same time wait for the patience', () => {
  const movers = new Movers()
  movers.claim('a', 0)
  movers.claim('b', SAME_AGE - 1)
  movers.up('a', 60_000)
  movers.suspect('a', 70_000)
  assert.equal(movers.holder(70_000 + patience - 1), 'a')
  assert.equal(movers.holder(70_000 + patience), 'b')
})

test('what is claimed once the holder is silent is newer, however soon it comes', () => {
  const movers = new Movers()
  movers.claim('a', 0)
  movers.claim('b', 500)
  assert.equal(movers.suspect('a', 11_000), 'a')
  assert.equal(movers.holder(11_000 + TAKEN_BY_NEWER_AFTER), 'b')
})

test('of several newer ones the newest has it, and a claim that ends and comes back is new', () => {
  const movers = new Movers()
  for (const [id, at] of [
    ['a', 0],
    ['b', 20_000],
    ['c', 40_000],
  ] as const)
    movers.claim(id, at)
  movers.up('a', 60_000)
  movers.suspect('a', 60_000)
  assert.equal(movers.holder(70_000), 'c')
  movers.drop('a', 80_000)
  movers.claim('a', 90_000)
  assert.equal(movers.holder(90_000), 'c', 'the holder is up')
  movers.suspect('c', 100_000)
  assert.equal(movers.holder(100_000), 'a')
})

test('after a start nobody knows which claim came first: who is not heard at all loses to who is', () => {
  const ask = (since: number | undefined, heard: number | undefined): string => {
    const movers = new Movers()
    movers.listeningSince = since
    movers.claims.set('a', 100).set('b', 100)
    movers.notUpSince.set('a', 100).set('b', undefined)
    movers.heardAt.set('a', heard)
    assert.equal(movers.holder(100), 'a')
    assert.equal(movers.holder(99 + TAKEN_FROM_UNHEARD_AFTER), 'a')
    return movers.holder(100 + TAKEN_FROM_UNHEARD_AFTER)
  }
  assert.equal(ask(50, undefined), 'b')
  assert.equal(ask(50, -30_000), 'b', 'heard by the daemon before this one')
  assert.equal(ask(50, 90), 'a')
  assert.equal(ask(undefined, undefined), 'a')
})

test('many that claim one address come and go, and it is with one of them for as long as that is up', () => {
  const event = fc.record({
    after: fc.integer({ min: 1, max: 100_000 }),
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    what: fc.constantFrom('claim', 'drop', 'up', 'suspect'),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const movers = new Movers()
      let [now, movedAt, holder] = [0, -Infinity, '']
      for (const { after, id, what } of events) {
        now += after
        const isClaimed = movers.claims.has(id)
        if (what === 'claim' && !isClaimed) movers.claim(id, now)
        else if (what === 'drop' && isClaimed) movers.drop(id, now)
        else if (what === 'up') movers.up(id, now)
        else if (what === 'suspect' && movers.notUpSince.get(id) === undefined) movers.suspect(id, now)
        const next = movers.holder(now)
        if (next === holder) continue
        const wasAlive = movers.claims.has(holder) && movers.notUpSince.get(holder) === undefined
        if (wasAlive) assert.ok(now - movedAt >= patience, `${holder} is up and loses it to ${next}`)
        movedAt = now
        holder = next
      }
    }),
  )
})
