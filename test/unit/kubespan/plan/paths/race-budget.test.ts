import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COPIES } from '../../../../../kubespan/plan/paths/race.ts'
import {
  allow,
  earnAt,
  fullRaceBudget,
  NO_LOAD,
  type RaceBudget,
  type RaceLoad,
  type WantedCopy,
} from '../../../../../kubespan/plan/paths/race-budget.ts'
import type { Address } from '../../../../../shared/net/address.ts'

const settings = COPIES.budget
const [victim, other] = ['192.0.2.1', '192.0.2.2'] as [Address, Address]
const copies = (count: number, address = victim, served = 0): WantedCopy[] =>
  Array.from({ length: count }, () => ({ address, at: 0, served }))

/** How many of so many are sent until then, one look after the other as they are asked for. */
function sentWithin(seconds: number, wanted: WantedCopy[], load: RaceLoad = NO_LOAD): number {
  let [budget, left, now]: [RaceBudget, readonly WantedCopy[], number] = [
    fullRaceBudget(settings, 0),
    wanted,
    0,
  ]
  while (now <= seconds * 1000) {
    const step = allow(left, budget, now, settings, load)
    const sent = new Set(step.allowed)
    left = left.filter((copy) => !sent.has(copy))
    budget = step.budget
    if (step.nextAt === undefined) break
    assert.ok(step.nextAt > now, 'it is worth waiting')
    now = step.nextAt
  }
  return wanted.length - left.length
}

test('an address gets 30 packets at once and 10 a second, whoever wants it; others are none the worse', () => {
  assert.equal(sentWithin(0, copies(500)), 30)
  assert.equal(sentWithin(60, copies(5000)), 630)
  const { allowed } = allow(
    [...copies(500), ...copies(20, other)],
    fullRaceBudget(settings, 0),
    0,
    settings,
    NO_LOAD,
  )
  assert.equal(allowed.filter(({ address }) => address === other).length, 20)
})

test('what the kernel sends there by itself is taken off', () => {
  assert.equal(sentWithin(60, copies(5000), { calls: new Map([[victim, 25]]), vainSince: undefined }), 330)
  const crowd = { calls: new Map([[victim, 1000]]), vainSince: undefined }
  assert.equal(sentWithin(60, copies(5000), crowd), 90)
})

test('who has been served least goes first', () => {
  const starved = copies(1)
  const { allowed } = allow(
    [...copies(99, victim, 3), ...starved],
    fullRaceBudget(settings, 0),
    0,
    settings,
    NO_LOAD,
  )
  assert.ok(starved.every((copy) => allowed.includes(copy)))
})

test('who comes up earns for others at the same address, up to a limit', () => {
  const wants = copies(500)
  const after = (wins: number) =>
    allow(
      wants,
      earnAt(fullRaceBudget(settings, 0), Array(wins).fill(victim), settings, 0),
      0,
      settings,
      NO_LOAD,
    ).allowed.length
  assert.deepEqual([0, 1, 10, 1000].map(after), [30, 38, 110, 240])
})

test('after a minute in vain there are 50 a second in all, until somebody comes up', () => {
  const everywhere = Array.from({ length: 4000 }, (_, index) => ({
    ...{ at: 0, served: 0 },
    address: `10.0.${index >> 8}.${index & 255}` as Address,
  }))
  const sent = (vainSince: number | undefined): number =>
    allow(everywhere, fullRaceBudget(settings, 60_000), 60_000, settings, { calls: new Map(), vainSince })
      .allowed.length
  assert.deepEqual([undefined, 1, 0].map(sent), [1000, 1000, 50])
})

test('addresses that rest are forgotten', () => {
  const { budget } = allow(copies(1), fullRaceBudget(settings, 0), 0, settings, NO_LOAD)
  assert.equal(budget.addresses.size, 1)
  assert.equal(allow([], budget, 10_000, settings, NO_LOAD).budget.addresses.size, 0)
})
