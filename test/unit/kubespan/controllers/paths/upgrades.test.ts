import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Upgrades } from '../../../../../kubespan/controllers/paths/upgrades.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AnsweredEcho } from '../../../../../kubespan/plan/paths/upgrade.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { placementOf } from '../../../../support/desired-states.ts'
import { specOf, statusOf } from '../../../../support/peers.ts'

const [LAN, WAN] = ['192.168.1.7:51820', '203.0.113.7:51820'] as [AddressPort, AddressPort]
const RANKED: readonly RankedEndpoint[] = [
  { endpoint: LAN, class: 'on a shared link', rank: 0 },
  { endpoint: WAN, class: 'public IPv4', rank: 1 },
]

/** Peers that are up over the wan although all share a LAN, and what is done about it. */
class World {
  readonly done: string[] = []
  readonly warnings: string[] = []
  readonly endpoints = new Map<string, AddressPort>()
  readonly received = new Map<string, number>()
  mood: 'calm' | 'unsure' | 'busy' = 'calm'
  refusal: Error | undefined
  answered: AnsweredEcho | undefined
  readonly upgrades = new Upgrades({
    deafen: async (_, sources) => {
      if (this.refusal !== undefined) throw this.refusal
      this.done.push(`deaf to ${sources.join(' ') || 'nobody'}`)
    },
    setEndpoints: async (_, endpoints) => {
      for (const [key, endpoint] of endpoints) {
        this.endpoints.set(key, endpoint)
        this.done.push(`${key} at ${endpoint}`)
      }
    },
    pull: (addresses) => void this.done.push(`pull ${addresses.length}`),
    warn: (problem) => void this.warnings.push(problem),
  })

  constructor(count = 1) {
    for (let number = 0; number < count; number += 1) this.endpoints.set(`key${number}`, WAN)
  }

  async look(now: number) {
    this.done.length = 0
    const keys = [...this.endpoints.keys()]
    return await this.upgrades.look({
      specs: keys.map((publicKey) => specOf({ publicKey })),
      statuses: new Map(
        keys.map((key) => [
          key,
          statusOf({
            state: 'up',
            endpoint: this.endpoints.get(key),
            receiveBytes: this.received.get(key) ?? 0,
          }),
        ]),
      ),
      rank: () => RANKED,
      answered: () => this.answered,
      moodOf: () => this.mood,
      placement: placementOf(),
      now,
    })
  }
}

/** Up to the look that proves the touch: something had arrived at the one before it, and more has since. */
async function hear(world: World, touchedAt: number) {
  world.received.set('key0', touchedAt)
  await world.look(touchedAt + 30)
  world.received.set('key0', touchedAt + 1)
  return await world.look(touchedAt + 60)
}

test('a peer is moved: touched, heard, and held until what was in flight has landed', async () => {
  const world = new World()
  assert.equal((await world.look(0)).again, 5000)
  assert.deepEqual(world.done, ['deaf to nobody'], 'a daemon before this one may have left something')
  const touched = await world.look(5000)
  assert.deepEqual(world.done, [`key0 at ${LAN}`, 'pull 1'])
  assert.deepEqual([[...touched.at], touched.again], [[['key0', WAN]], 30])
  const heard = await hear(world, 5000)
  assert.deepEqual(world.done, [`deaf to ${WAN}`, 'pull 1'])
  assert.deepEqual([...heard.at], [['key0', WAN]], 'it counts as being where it was')
  world.received.set('key0', 6000)
  await world.look(5200)
  assert.deepEqual(world.done, ['pull 1'], 'no process for what stands already')
  world.received.set('key0', 7000)
  const settled = await world.look(5360)
  assert.deepEqual(world.done, ['deaf to nobody'])
  assert.deepEqual([[...settled.at], settled.again], [[], undefined])
})

test('one that answers an echo is moved at once', async () => {
  const world = new World()
  await world.look(0)
  await world.look(5000)
  world.answered = { askedAt: 5003, sentBefore: 5010, roundTrip: 10 }
  await world.look(5050)
  assert.deepEqual(world.done, [`deaf to ${WAN}`, 'pull 1'])
})

test('one that stays silent is where it was, and nothing of the trial shows', async () => {
  const world = new World()
  await world.look(0)
  await world.look(5000)
  const back = await world.look(5050)
  assert.deepEqual(world.done, [`key0 at ${WAN}`])
  assert.deepEqual([...back.at], [['key0', WAN]])
  assert.equal((await world.look(5300)).again, 30_000)
})

test('who is in doubt is not tried, and who comes into doubt meanwhile is held', async () => {
  const world = new World()
  world.mood = 'unsure'
  assert.equal((await world.look(0)).again, undefined)
  world.mood = 'calm'
  await world.look(0)
  await world.look(5000)
  world.mood = 'unsure'
  await hear(world, 5000)
  assert.deepEqual(world.done, [`deaf to ${WAN}`, 'pull 1'])
  world.mood = 'busy'
  await world.look(5100)
  assert.deepEqual(world.done, ['deaf to nobody'], 'whoever sees to it decides where it is')
})

test('of many only some are tried at a time', async () => {
  const world = new World(40)
  await world.look(0)
  const { again } = await world.look(5000)
  assert.equal(world.done.at(-1), 'pull 16')
  assert.equal(again, 30)
  await world.look(5050)
  await world.look(5300)
  await world.look(6000)
  assert.equal(world.done.at(-1), 'pull 16', 'then the next ones')
})

test('where nft refuses, everybody stays where they are, and that is said once', async () => {
  const world = new World()
  await world.look(0)
  for (const start of [5000, 20_000]) {
    await world.look(start)
    world.refusal = new Error('nft: no such set')
    const refused = await hear(world, start)
    assert.deepEqual(world.done, [`key0 at ${WAN}`])
    assert.deepEqual([[...refused.at], refused.again], [[['key0', WAN]], undefined])
    await world.look(start + 100)
  }
  assert.deepEqual(world.warnings, ['peers stay on the paths they have: Error: nft: no such set'])
})

test('when nothing of this is wanted any more, the peers are put back', async () => {
  const world = new World()
  await world.look(0)
  await world.look(5000)
  await hear(world, 5000)
  world.done.length = 0
  await world.upgrades.end(placementOf())
  assert.deepEqual(world.done, [`key0 at ${WAN}`, 'deaf to nobody'])
  world.done.length = 0
  await world.upgrades.end(placementOf())
  assert.deepEqual(world.done, [])
})
