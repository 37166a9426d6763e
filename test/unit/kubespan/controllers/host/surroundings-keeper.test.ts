import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SurroundingsKeeper } from '../../../../../kubespan/controllers/host/surroundings-keeper.ts'
import type { Surroundings } from '../../../../../kubespan/model/surroundings.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const found = (gateway: string): Surroundings => ({
  neighbours: [{ address: gateway as Address, role: 'gateway', link: 'eth0' }],
  networks: [],
  forwards: false,
  forwardedByLink: [],
})

function keeper() {
  const clock = new ManualClock()
  const world = { gateway: '192.0.2.1', looks: 0, asked: 0, takes: 0, fails: false, said: [] as string[] }
  const keep = new SurroundingsKeeper({
    clock,
    warn: (problem) => void world.said.push(problem),
    observe: async (mustAskRoutes) => {
      world.looks += 1
      if (mustAskRoutes) world.asked += 1
      await clock.advance(world.takes)
      if (world.fails) throw new Error('no ip')
      return found(world.gateway)
    },
  })
  return { clock, world, look: (isSuspect = false) => keep.look(isSuspect, 30_000) }
}

test('it is looked at once, then now and then, and is the same value while nothing changes', async () => {
  const { clock, world, look } = keeper()
  const first = await look()
  assert.equal(await look(), first)
  await clock.advance(29_000)
  assert.equal(await look(), first)
  assert.equal(world.looks, 1)
  await clock.advance(1_000)
  assert.equal(await look(), first)
  assert.equal(world.looks, 2)
})

test('a change is seen at the next look that is allowed, also where many come', async () => {
  const { clock, world, look } = keeper()
  await look()
  world.gateway = '192.0.2.2'
  await clock.advance(100)
  assert.deepEqual(await look(true), found('192.0.2.1'))
  await clock.advance(900)
  assert.deepEqual(await look(), found('192.0.2.2'), 'what was suspected is not forgotten')
  for (let moment = 0; moment < 100; moment += 1) {
    await clock.advance(100)
    await look(true)
  }
  assert.ok(world.looks <= 12, `${world.looks}`)
})

test('routes are asked for when something may have changed, and now and then', async () => {
  const { clock, world, look } = keeper()
  for (let turn = 0; turn < 20; turn += 1) {
    await look()
    await clock.advance(30_000)
  }
  assert.deepEqual([world.looks, world.asked], [20, 2])
  await look(true)
  assert.equal(world.asked, 3)
})

test('a look that takes long is seldom', async () => {
  const { clock, world, look } = keeper()
  world.takes = 2_000
  await look()
  await clock.advance(190_000)
  await look(true)
  assert.equal(world.looks, 1)
  await clock.advance(10_000)
  await look()
  assert.equal(world.looks, 2)
})

test('what cannot be looked at stays as it was, and that is said', async () => {
  const { clock, world, look } = keeper()
  const before = await look()
  world.fails = true
  await clock.advance(30_000)
  assert.equal(await look(), before)
  assert.match(world.said.join(), /no ip/)
})
