import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  NO_RACES,
  planRaces,
  RACES,
  type RaceMemory,
  type RacePeer,
} from '../../../../../kubespan/plan/paths/plan-races.ts'
import { onInitiation } from '../../../../../kubespan/plan/paths/race.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const endpoints = (count: number): RankedEndpoint[] =>
  Array.from({ length: count }, (_, index) => ({
    endpoint: `192.0.2.${index}:1` as AddressPort,
    class: 'public IPv4' as const,
    rank: 0,
  }))

const HEARD = '192.0.2.200:1' as AddressPort

const peer = (publicKey: string, said: Partial<RacePeer> = {}): RacePeer => ({
  publicKey,
  state: 'down',
  ranked: endpoints(3),
  endpoint: undefined,
  receiveBytes: 0,
  isFollower: false,
  ...said,
})

/** Plans in turn and remembers; answers with `+key` or `*key` (again) with `!` for a reset and where it begins, and `-key reason endpoint`. */
class Planner {
  memory: RaceMemory = NO_RACES
  nextAt: number | undefined
  settings = RACES

  plan(now: number, ...peers: RacePeer[]): string[] {
    const { memory, starts, ends, nextAt } = planRaces(peers, this.memory, now, this.settings)
    this.memory = memory
    this.nextAt = nextAt
    return [
      ...ends.map(
        ({ publicKey, reason, endpoint }) => `-${publicKey} ${reason}${endpoint ? ` ${endpoint}` : ''}`,
      ),
      ...starts.map(
        ({ publicKey, reset, isRetry, endpoint }) =>
          `${isRetry ? '*' : '+'}${publicKey}${reset ? '!' : ''}${endpoint ? ` ${endpoint}` : ''}`,
      ),
    ]
  }
}

test('a peer that is down is raced until it is up, and then left alone', () => {
  const planner = new Planner()
  assert.deepEqual(planner.plan(0, peer('a')), ['+a'])
  assert.equal(planner.nextAt, RACES.longest)
  assert.deepEqual(planner.plan(50, peer('a')), [])
  assert.deepEqual(planner.plan(100, peer('a', { state: 'up', endpoint: HEARD })), ['-a up'])
  assert.deepEqual(planner.plan(200, peer('a', { state: 'up', endpoint: HEARD })), [])
  assert.equal(planner.nextAt, undefined)
})

test('a peer that is up is never raced, a suspect one at once and with a new session', () => {
  const planner = new Planner()
  assert.deepEqual(planner.plan(0, peer('a', { state: 'up', endpoint: HEARD })), [])
  assert.deepEqual(planner.plan(1, peer('a', { state: 'suspect', endpoint: HEARD })), ['+a!'])
})

test('who has nowhere to be looked for is waited for', () => {
  const planner = new Planner()
  assert.deepEqual(planner.plan(0, peer('a', { ranked: [] })), [])
  assert.deepEqual(planner.plan(1, peer('a')), ['+a'])
  assert.deepEqual(planner.plan(2, peer('a', { ranked: [] })), ['-a lost 192.0.2.0:1'])
  assert.deepEqual(planner.plan(3), [])
})

test('a peer that vanishes ends its race', () => {
  const planner = new Planner()
  planner.plan(0, peer('a'))
  assert.deepEqual(planner.plan(1), ['-a gone'])
})

test('no race leaves a relay behind: real endpoints are written back, each time another', () => {
  const planner = new Planner()
  planner.plan(0, peer('a'))
  assert.deepEqual(
    planner.plan(10, peer('a', { state: 'up' })),
    ['-a up 192.0.2.0:1'],
    'up by luck, but on the relay',
  )

  const lost: string[] = []
  let now = 100
  while (lost.length < 5) {
    const said = planner.plan(now, peer('a'))
    lost.push(...said.filter((line) => line.startsWith('-')))
    now = planner.nextAt ?? now
  }
  assert.deepEqual(
    lost.map((line) => line.at(-3)),
    ['0', '1', '2', '0', '1'],
  )
})

test('after a lost race comes a rest that grows', () => {
  const planner = new Planner()
  const starts: number[] = []
  let now = 0
  while (starts.length < 9) {
    if (planner.plan(now, peer('a')).includes('+a')) starts.push(now)
    now = planner.nextAt ?? now
  }
  const rests = starts.slice(1).map((at, index) => (at - (starts[index] ?? 0) - RACES.longest) / 1000)
  assert.deepEqual(rests, [1, 2, 4, 8, 16, 32, 60, 60])
})

test('a resting peer that becomes suspect does not wait', () => {
  const planner = new Planner()
  planner.plan(0, peer('a'))
  assert.deepEqual(planner.plan(RACES.longest, peer('a')), ['-a lost 192.0.2.0:1'])
  assert.deepEqual(planner.plan(RACES.longest + 1, peer('a')), [])
  assert.deepEqual(planner.plan(RACES.longest + 2, peer('a', { state: 'suspect' })), ['+a!'])
})

test('places are few: suspects first, then who lost least; who has had a turn makes room', () => {
  const planner = new Planner()
  planner.settings = { ...RACES, concurrentRaces: 2 }
  assert.deepEqual(planner.plan(0, peer('a'), peer('b'), peer('c'), peer('d', { state: 'suspect' })), [
    '+d!',
    '+a',
  ])
  assert.equal(planner.nextAt, RACES.turn)
  const all = ['a', 'b', 'c', 'd'].map((key) => peer(key))
  assert.deepEqual(planner.plan(RACES.turn - 1, ...all), [])
  assert.deepEqual(planner.plan(RACES.turn, ...all), [
    '-d lost 192.0.2.0:1',
    '-a lost 192.0.2.0:1',
    '+b',
    '+c',
  ])
  const up = all.map((one) =>
    one.publicKey === 'b' ? { ...one, state: 'up' as const, endpoint: HEARD } : one,
  )
  assert.deepEqual(planner.plan(RACES.turn + 1500, ...up), ['-b up', '+a'])
})

test('what is learned of a peer during its race goes into the race', () => {
  const planner = new Planner()
  planner.plan(0, peer('a', { ranked: endpoints(1) }))
  const race = planner.memory.races.get('a')
  assert.ok(race !== undefined)
  planner.memory = { ...planner.memory, races: new Map([['a', onInitiation(race, 0, RACES)]]) }
  planner.plan(10, peer('a', { ranked: endpoints(2) }))
  const revised = planner.memory.races.get('a')
  assert.equal(revised?.ranked.length, 2)
  assert.deepEqual(revised?.pending[1], { at: 10, endpoint: '192.0.2.1:1', address: '192.0.2.1' })
  planner.plan(20, peer('a', { ranked: endpoints(2) }))
  assert.equal(planner.memory.races.get('a'), revised, 'nothing new, nothing changed')
})

test('a peer that was heard and has no session begins anew, the leader first, less and less often', () => {
  const leader = new Planner()
  leader.plan(0, peer('a'))
  assert.deepEqual(leader.plan(100, peer('a', { receiveBytes: 148 })), [])
  assert.equal(leader.nextAt, 400)
  assert.deepEqual(leader.plan(399, peer('a', { receiveBytes: 148 })), [])
  assert.deepEqual(leader.plan(400, peer('a', { receiveBytes: 148 })), ['*a!'])
  assert.deepEqual(leader.plan(2000, peer('a', { receiveBytes: 148 })), [], 'it was not heard again')
  const retries: number[] = []
  for (let now = 2100; now < 10_000; now += 100)
    if (leader.plan(now, peer('a', { receiveBytes: now })).length > 0) retries.push(now)
  assert.deepEqual(retries, [2700, 4000, 6500])

  const follower = new Planner()
  follower.plan(0, peer('a', { isFollower: true }))
  follower.plan(100, peer('a', { isFollower: true, receiveBytes: 148 }))
  assert.equal(follower.nextAt, 800)
})

test('where only WireGuard’s own call was heard it calls there once more, and every other time the relay', () => {
  const planner = new Planner()
  planner.plan(0, peer('a'))
  const race = planner.memory.races.get('a') ?? assert.fail()
  planner.memory = { ...planner.memory, races: new Map([['a', onInitiation(race, 0, RACES)]]) }
  assert.deepEqual(planner.plan(2500, peer('a')), ['*a! 192.0.2.0:1'], 'a round begins')
  const heard = (receiveBytes: number) => peer('a', { receiveBytes, endpoint: HEARD })
  assert.deepEqual(planner.plan(2600, heard(100)), [])
  assert.deepEqual(planner.plan(2900, heard(100)), [`*a! ${HEARD}`])
  assert.deepEqual(planner.plan(3000, heard(200)), [])
  assert.deepEqual(planner.plan(3600, heard(200)), ['*a!'])
})

test('a race that begins anew has time for its copies before it has a round', () => {
  const planner = new Planner()
  planner.plan(0, peer('a'))
  const race = planner.memory.races.get('a') ?? assert.fail()
  planner.memory = { ...planner.memory, races: new Map([['a', onInitiation(race, 0, RACES)]]) }
  planner.plan(2400, peer('a', { receiveBytes: 100 }))
  assert.deepEqual(planner.plan(2700, peer('a', { receiveBytes: 100 })), ['*a!'], 'and nothing else at once')
  assert.equal(planner.nextAt, 2700 + RACES.rounds.after)
})

test('there are never too many, everyone has a turn, and every race that began also ends', () => {
  const states = fc.array(fc.constantFrom('up', 'down', 'suspect'), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(states, { minLength: 1, maxLength: 12 }), (rounds) => {
      const planner = new Planner()
      planner.settings = { ...RACES, concurrentRaces: 3 }
      const racing = new Set<string>()
      const follow = (lines: string[]): void => {
        for (const line of lines) {
          const key = line[1] ?? ''
          if (line.startsWith('*')) continue
          if (line.startsWith('+')) assert.ok(!racing.has(key) && racing.add(key))
          else assert.ok(racing.delete(key))
        }
        assert.ok(racing.size <= 3)
        assert.deepEqual([...planner.memory.races.keys()].sort(), [...racing].sort())
      }
      for (const [round, drawn] of rounds.entries())
        follow(
          planner.plan(
            round * 3000,
            ...drawn.map((state, index) =>
              peer(String(index), { state, endpoint: state === 'up' ? HEARD : undefined }),
            ),
          ),
        )
      const down = Array.from({ length: 8 }, (_, index) => peer(String(index)))
      const raced = new Set<string>()
      for (let step = 0; step < 200; step += 1) {
        follow(planner.plan(rounds.length * 3000 + step * 1000, ...down))
        for (const key of racing) raced.add(key)
      }
      assert.equal(raced.size, 8)
      follow(planner.plan(1e9))
      assert.equal(racing.size, 0)
    }),
  )
})
