import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  NO_ROUNDS,
  planRounds,
  ROUNDS,
  type RoundMemory,
} from '../../../../../kubespan/plan/paths/quick-rounds.ts'
import {
  COPIES,
  onHeard,
  onInitiation,
  type Race,
  startRace,
} from '../../../../../kubespan/plan/paths/race.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const ENDPOINTS = ['192.0.2.1:1', '192.0.2.2:2', '192.0.2.3:3', '192.0.2.4:4'] as AddressPort[]
const RANKED: readonly RankedEndpoint[] = ENDPOINTS.map((endpoint, rank) => ({
  endpoint,
  class: 'public IPv4',
  rank,
}))

/** Races of so many peers, all begun at 0, whose kernel has called. */
const racesOf = (...keys: string[]): Map<string, Race> =>
  new Map(
    keys.map((key) => {
      const race = startRace(key, { ranked: RANKED, isFollower: false, receiveBytes: 0 }, 0)
      return [key, onInitiation(race, 0, COPIES)]
    }),
  )

/** Plans whenever the plan asks for it, until `end`; answers with what was written when. */
function run(races: ReadonlyMap<string, Race>, end: number, before: RoundMemory = NO_ROUNDS, start = 0) {
  const written: (readonly [at: number, key: string, endpoint: string])[] = []
  let [memory, now] = [before, start]
  for (;;) {
    const plan = planRounds(races, new Set(), memory, now, ROUNDS)
    memory = plan.memory
    written.push(
      ...plan.writes.map(({ publicKey, endpoint }) => [now, publicKey, endpoint ?? 'relay'] as const),
    )
    if (plan.nextAt === undefined || plan.nextAt > end) return { written, memory }
    assert.ok(plan.nextAt > now, 'it asks for a time to come')
    now = plan.nextAt
  }
}
const begins = ({ written }: ReturnType<typeof run>) => written.filter(([, , to]) => to === ENDPOINTS[0])

test('a race that hears nothing has the kernel call each candidate within a second, and goes on', () => {
  assert.deepEqual(run(racesOf('a'), 5000).written, [
    [2500, 'a', ENDPOINTS[0]],
    [2750, 'a', ENDPOINTS[1]],
    [3000, 'a', ENDPOINTS[2]],
    [3250, 'a', ENDPOINTS[3]],
    [3500, 'a', 'relay'],
  ])
})

test('the rounds of one peer come less and less often', () => {
  const at = begins(run(racesOf('a'), 300_000)).map(([time]) => time)
  const pauses = at.slice(1).map((time, index) => Math.round((time - (at[index] ?? 0) - 1000) / 1000))
  assert.deepEqual(pauses, [7, 14, 28, 56, 60, 60, 60])
})

test('nobody is called whose kernel has not even begun, or who was heard', () => {
  const silent = startRace('a', { ranked: RANKED, isFollower: false, receiveBytes: 0 }, 0)
  assert.deepEqual(run(new Map([['a', silent]]), 60_000).written, [])
  const heard = onHeard(racesOf('a').get('a') ?? assert.fail(), 100)
  assert.deepEqual(run(new Map([['a', heard]]), 60_000).written, [])
})

test('whoever is heard in its round is not removed once more', () => {
  const races = racesOf('a')
  const { memory } = run(races, 2700)
  const heard = new Map([...races].map(([key, race]) => [key, onHeard(race, 2720)]))
  assert.deepEqual(run(heard, 10_000, memory, 2750).written, [])
})

test('only a few at a time, and whoever had fewest goes first', () => {
  const { written } = run(racesOf('a', 'b', 'c', 'd', 'e', 'f'), 3600)
  assert.deepEqual(
    written.filter(([, , to]) => to === ENDPOINTS[0]).map(([at, key]) => `${key} ${at}`),
    ['a 2500', 'b 2500', 'c 2500', 'd 2500', 'e 3500', 'f 3500'],
  )
})

test('where nobody is found that way it all but ends, until it finds somebody', () => {
  const keys = Array.from({ length: 60 }, (_, number) => `${number}`)
  const races = racesOf(...keys)
  const lost = run(races, 600_000)
  assert.ok(begins(lost).length < 35, `${begins(lost).length} rounds in ten minutes`)
  const [last] = lost.written.at(-1) ?? assert.fail()
  assert.ok(last > 500_000, 'but never for good')

  const underWay = run(races, (begins(lost).at(-1)?.[0] ?? 0) + 10).memory
  const [found = ''] = underWay.rounds.keys()
  const heard = new Map(races).set(found, onHeard(races.get(found) ?? assert.fail(), 600_050))
  races.delete(found)
  for (const plan of [
    planRounds(races, new Set([found]), underWay, 600_100, ROUNDS),
    planRounds(heard, new Set(), underWay, 600_100, ROUNDS),
  ])
    assert.deepEqual([plan.memory.vain, plan.memory.rounds.size], [0, 4])
})
