import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batches } from '../../../../../kubespan/sources/discovery/batches.ts'
import type { WatchMessage } from '../../../../../kubespan/sources/discovery/table.ts'
import { ManualClock, settle } from '../../../../support/manual-clock.ts'

const message = (affiliates = 1, size = 0): WatchMessage => ({
  affiliates: new Array(affiliates).fill({ id: 'a', data: new Uint8Array(), endpoints: [] }),
  deleted: false,
  size,
})

/** A service that always has one more to say, unless the test gives a list. */
class World {
  readonly clock = new ManualClock()
  readonly #stop = new AbortController()
  asked = 0
  readonly taken: { readonly at: number; readonly count: number }[] = []
  readonly done: Promise<void>
  failure: unknown

  constructor(messages: () => AsyncIterable<WatchMessage>) {
    this.done = this.#take(this.#counted(messages())).catch((error: unknown) => {
      this.failure = error
    })
  }

  async *#counted(messages: AsyncIterable<WatchMessage>): AsyncGenerator<WatchMessage> {
    for await (const each of messages) {
      this.asked += 1
      yield each
    }
  }

  async #take(messages: AsyncIterable<WatchMessage>): Promise<void> {
    for await (const batch of batches(messages, this.clock, this.#stop.signal))
      this.taken.push({ at: this.clock.now(), count: batch.length })
  }

  async pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 10) await this.clock.advance(10)
  }
}

async function* endless(each: () => WatchMessage): AsyncGenerator<WatchMessage> {
  for (;;) {
    await settle()
    yield each()
  }
}

test('the first message comes alone and at once, the next few as they come', async () => {
  const world = new World(async function* () {
    for (let count = 0; count < 4; count += 1) yield message()
  })
  await world.done
  assert.deepEqual(world.taken, new Array(4).fill({ at: 0, count: 1 }))
})

test('a service that goes on and on is taken in batches, ten in any second at most and four later', async () => {
  const world = new World(() => endless(() => message()))
  await world.pass(10_000)
  const inSecond = (from: number) => world.taken.filter(({ at }) => at >= from && at < from + 1000).length
  for (let from = 1; from < 9_000; from += 100)
    assert.ok(inSecond(from) <= 10, `${inSecond(from)} from ${from}`)
  assert.ok(world.taken.length <= 50 && world.taken.length >= 40, String(world.taken.length))
  assert.ok(world.taken.at(-1)?.count ?? 0 > 1)
})

for (const [what, each, weight] of [
  ['says much', message(100), 101],
  ['sends much although it says nothing', message(0, 8 << 20), 8193],
] as const)
  test(`a service that ${what} is read no faster than it can be worked off, and left after 10 s`, async () => {
    const world = new World(() => endless(() => each))
    await world.pass(9_000)
    assert.equal(world.failure, undefined)
    const taken = world.asked * weight
    assert.ok(taken <= 4096 + 9 * 2000 + 4 * weight, `${taken} in 9 s`)
    assert.ok(taken >= 4096 + 8 * 2000 - weight)
    await world.pass(10_000)
    await world.done
    assert.match(String(world.failure), /says more than can be read/)
    assert.equal(world.clock.armed, 0)
  })

test('a service that says much now and then is never left', async () => {
  const world = new World(async function* () {
    for (let minute = 0; minute < 5; minute += 1) {
      for (let count = 0; count < 100; count += 1) yield message(100)
      await new Promise<void>((resolve) => world.clock.after(20_000, resolve))
    }
  })
  await world.pass(150_000)
  await world.done
  assert.equal(world.failure, undefined)
  assert.equal(world.asked, 500)
})

test('a thousand nodes that start anew are read at once', async () => {
  const world = new World(async function* () {
    for (let count = 0; count < 2000; count += 1) yield message()
  })
  await world.pass(1_000)
  await world.done
  assert.equal(
    world.taken.reduce((sum, { count }) => sum + count, 0),
    2000,
  )
})

test('what came before a stream breaks is not lost, and why it breaks is told', async () => {
  const world = new World(async function* () {
    for (let count = 0; count < 20; count += 1) yield message()
    throw new Error('broken')
  })
  await world.pass(1_000)
  await world.done
  assert.equal(
    world.taken.reduce((sum, { count }) => sum + count, 0),
    20,
  )
  assert.match(String(world.failure), /broken/)
  assert.equal(world.clock.armed, 0)
})
