import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_RACING } from '../../../../../kubespan/config/defaults.ts'
import type { Racer } from '../../../../../kubespan/controllers/paths/racer.ts'
import { RacerKeeper } from '../../../../../kubespan/controllers/paths/racer-keeper.ts'
import { FakeRaceSockets } from '../../../../support/fake-race-sockets.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

function world() {
  const clock = new ManualClock()
  const opened: { port: number; sockets: FakeRaceSockets }[] = []
  const released: Racer[] = []
  const warnings: string[] = []
  const trouble = { isTaken: false, release: false }
  const keeper = new RacerKeeper({
    clock,
    log: { warn: (_: object, text: string) => void warnings.push(text) },
    open: async (port) => {
      if (trouble.isTaken) throw new Error('EADDRINUSE')
      const sockets = new FakeRaceSockets()
      opened.push({ port, sockets })
      return sockets
    },
    release: async (racer) => {
      if (trouble.release) throw new Error('wg: no')
      released.push(racer)
    },
  })
  return { clock, opened, released, warnings, trouble, keeper }
}

test('one racer for the same settings, another one for others, none when it is off', async () => {
  const { keeper, opened, released } = world()
  const first = await keeper.of(DEFAULT_RACING, 51820)
  assert.equal(await keeper.of({ ...DEFAULT_RACING }, 51820), first)
  assert.notEqual(await keeper.of({ ...DEFAULT_RACING, port: 5000 }, 51820), first)
  assert.deepEqual(released, [first], 'its peers were given real endpoints')
  assert.deepEqual(
    opened.map(({ port, sockets }) => [port, sockets.isClosed]),
    [
      [51819, true],
      [5000, false],
    ],
  )
  assert.equal(await keeper.of({ ...DEFAULT_RACING, enabled: false }, 51820), undefined)
  assert.equal(opened[1]?.sockets.isClosed, true)
})

test('a port that is taken is a warning, and is tried again after a while', async () => {
  const { keeper, trouble, warnings, clock } = world()
  trouble.isTaken = true
  assert.equal(await keeper.of(DEFAULT_RACING, 51820), undefined)
  await clock.advance(60_000)
  assert.equal(await keeper.of(DEFAULT_RACING, 51820), undefined)
  assert.deepEqual(warnings, ['no racing: its port cannot be used'])
  trouble.isTaken = false
  assert.equal(await keeper.of(DEFAULT_RACING, 51820), undefined, 'not yet')
  await clock.advance(60_000)
  assert.notEqual(await keeper.of(DEFAULT_RACING, 51820), undefined)
})

test('disposal closes the sockets even when the peers could not be released', async () => {
  const { keeper, trouble, warnings, opened } = world()
  await keeper.of(DEFAULT_RACING, 51820)
  trouble.release = true
  await keeper[Symbol.asyncDispose]()
  await keeper[Symbol.asyncDispose]()
  assert.deepEqual(warnings, ['races not ended in order'])
  assert.equal(opened[0]?.sockets.isClosed, true)
})
