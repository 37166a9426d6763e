import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COPIES,
  isInitiation,
  onHeard,
  onInitiation,
  type Race,
  reviseRace,
  startRace,
  takeCopies,
} from '../../../../../kubespan/plan/paths/race.ts'
import { fullRaceBudget } from '../../../../../kubespan/plan/paths/race-budget.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const ranked = (...ranks: number[]): RankedEndpoint[] =>
  ranks.map((rank, index) => ({ endpoint: `192.0.2.${index}:1` as AddressPort, class: 'public IPv4', rank }))

const raceOf = (publicKey: string, candidates: RankedEndpoint[], isFollower = false): Race =>
  startRace(publicKey, { ranked: candidates, isFollower, receiveBytes: 0 }, 0)

/** Sends what is due whenever something is, and notes `time last-number-of-the-address`. */
function run(races: Race[], until: number, settings = COPIES, budget = fullRaceBudget(settings.budget, 0)) {
  const sent: string[] = []
  let all: ReadonlyMap<string, Race> = new Map(races.map((race) => [race.publicKey, race]))
  let now: number | undefined = 0
  let left = budget
  while (now !== undefined && now <= until) {
    const due = takeCopies(all, left, now, settings)
    for (const { publicKey, endpoint } of due.copies)
      sent.push(`${now} ${publicKey}${endpoint.slice('192.0.2.'.length, -2)}`)
    all = due.races
    left = due.budget
    now = due.nextAt
  }
  return { sent, races: all }
}

test('each rank gets its head start, and everything is sent four times', () => {
  const race = onInitiation(raceOf('p', ranked(0, 1, 1, 2)), 0, COPIES)
  assert.deepEqual(run([race], 5000).sent, [
    ...['0 p0', '20 p1', '20 p2', '40 p3'],
    ...['250 p0', '270 p1', '270 p2', '290 p3'],
    ...['750 p0', '770 p1', '770 p2', '790 p3'],
    ...['1750 p0', '1770 p1', '1770 p2', '1790 p3'],
  ])
})

test('nothing is sent before the kernel has said something', () => {
  const { sent, races } = run([raceOf('p', ranked(0))], 5000)
  assert.deepEqual(sent, [])
  assert.equal(races.get('p')?.initiationAt, undefined)
})

test('a new initiation replaces the copies of the old one', () => {
  const { races } = run([onInitiation(raceOf('p', ranked(0)), 0, COPIES)], 300)
  const race = races.get('p')
  assert.ok(race !== undefined)
  assert.deepEqual(
    run([onInitiation(race, 5000, COPIES)], 99_999).sent.map((line) => line.split(' ')[0]),
    ['5000', '5250', '5750', '6750'],
  )
})

test('a candidate that appears is sent what is under way, one that goes is sent no more', () => {
  const { races } = run([onInitiation(raceOf('p', ranked(0, 1)), 0, COPIES)], 100)
  const race = races.get('p')
  assert.ok(race !== undefined)
  const [, second] = ranked(0, 1)
  const third: RankedEndpoint = { endpoint: '192.0.2.9:1' as AddressPort, class: 'observed', rank: 1 }
  assert.ok(second !== undefined)
  const revised = reviseRace(race, [{ ...second, rank: 0 }, third], 100, COPIES)
  assert.deepEqual(run([revised], 400).sent, ['120 p9', '270 p1', '370 p9'])
  assert.deepEqual(reviseRace(raceOf('p', []), [third], 5, COPIES).pending, [], 'or when one is')
})

test('the follower lets the other end speak first', () => {
  const race = onInitiation(raceOf('p', ranked(0, 1), true), 0, COPIES)
  assert.deepEqual(run([race], 200).sent, ['50 p0', '70 p1'])
})

test('once the peer was heard, what our kernel had to say is void', () => {
  const race = onHeard(onInitiation(raceOf('p', ranked(0)), 0, COPIES), 100)
  assert.deepEqual(run([race], 5000).sent, [])
  assert.equal(onHeard(race, 200).heardAt, 100)
})

test('the budget holds for all together; what it delays is not lost', () => {
  const settings = { ...COPIES, copiesAt: [0], budget: { ...COPIES.budget, packetsPerSecond: 100, burst: 2 } }
  const races = ['a', 'b'].map((key) => onInitiation(raceOf(key, ranked(0, 0)), 0, settings))
  assert.deepEqual(run(races, 1000, settings).sent, ['0 a0', '0 a1', '10 b0', '20 b1'])
})

test('only an initiation may leave by a relay', () => {
  const packet = (length: number, ...head: number[]) => {
    const bytes = new Uint8Array(length).fill(7)
    bytes.set(head)
    return bytes
  }
  assert.ok(isInitiation(packet(148, 1, 0, 0, 0)))
  assert.ok(!isInitiation(packet(148, 4, 0, 0, 0)), 'data')
  assert.ok(!isInitiation(packet(148, 1, 1, 0, 0)), 'not WireGuard')
  assert.ok(!isInitiation(packet(147, 1, 0, 0, 0)))
  assert.ok(!isInitiation(new Uint8Array()))
})
