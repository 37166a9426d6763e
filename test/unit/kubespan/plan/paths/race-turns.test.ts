import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRace } from '../../../../../kubespan/plan/paths/race.ts'
import {
  compareUrgency,
  isRested,
  outOfTurn,
  restAfter,
} from '../../../../../kubespan/plan/paths/race-turns.ts'

const settings = { concurrentRaces: 2, turn: 7000, rest: 1000, restCap: 60_000 }

test('suspects first, then who lost less often, then who has rested longer', () => {
  const rests = new Map([
    ['a', { lost: 2, until: 5 }],
    ['b', { lost: 1, until: 9 }],
    ['c', { lost: 1, until: 7 }],
    ['d', { lost: 9, until: 9 }],
  ])
  const waiting = ['a', 'b', 'c', 'd', 'e'].map((publicKey) => ({
    publicKey,
    state: publicKey === 'd' ? ('suspect' as const) : ('down' as const),
  }))
  assert.deepEqual(
    waiting.sort((a, b) => compareUrgency(a, b, rests)).map(({ publicKey }) => publicKey),
    ['d', 'e', 'c', 'b', 'a'],
  )
  assert.deepEqual(
    waiting.filter((one) => isRested(one, rests, 7)).map(({ publicKey }) => publicKey),
    ['d', 'e', 'c', 'a'],
  )
})

test('rests double up to the cap', () => {
  assert.deepEqual(
    [1, 2, 6, 7, 99].map((lost) => restAfter(lost, settings)),
    [1000, 2000, 32_000, 60_000, 60_000],
  )
})

test('only as many races end as are waited for, the longest running first, and none before its turn is over', () => {
  const race = (publicKey: string, startedAt: number) =>
    [publicKey, startRace(publicKey, { ranked: [], isFollower: false, receiveBytes: 0 }, startedAt)] as const
  const races = new Map([race('a', 100), race('b', 0)])
  const ending = (waiting: number, now: number) =>
    outOfTurn(races, waiting, now, settings).map(({ publicKey }) => publicKey)
  assert.deepEqual(ending(1, 9000), ['b'])
  assert.deepEqual(ending(5, 9000), ['b', 'a'])
  assert.deepEqual(ending(5, 7000), ['b'])
  assert.deepEqual(ending(0, 9000), [])
  assert.deepEqual(outOfTurn(races, 1, 9000, { ...settings, concurrentRaces: 3 }), [])
})
