import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ServiceEnvironment, ServiceManager } from '../../../../kubespan/host/service-manager.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'

function world(environment: ServiceEnvironment) {
  const clock = new ManualClock()
  const state = {
    told: [] as string[][],
    failures: 0,
    isAlive: true,
    status: '1 of\n2 peers up',
    fault: undefined as Error | undefined,
  }
  const manager = new ServiceManager({
    clock,
    environment,
    pid: 7,
    runner: {
      async run(tool, args) {
        assert.equal(tool, 'systemd-notify')
        if (state.fault !== undefined) throw state.fault
        state.told.push([...args])
        return ''
      },
    },
    isAlive: () => state.isAlive,
    status: () => state.status,
    onFailure: () => {
      state.failures += 1
    },
  })
  return { clock, state, manager }
}

test('without systemd nothing is said', async () => {
  const { state, manager, clock } = world({})
  await using _manager = manager
  await manager.ready()
  await manager.stopping()
  assert.deepEqual(state.told, [])
  assert.equal(clock.armed, 0)
})

test('the watchdog is fed three times in its interval, and starves when a pass hangs', async () => {
  const { state, manager, clock } = world({
    NOTIFY_SOCKET: '/run/n',
    WATCHDOG_USEC: '30000000',
    WATCHDOG_PID: '7',
  })
  await using _manager = manager
  await manager.ready()
  await settle()
  const alive = ['READY=1', 'WATCHDOG=1', 'STATUS=1 of 2 peers up']
  assert.deepEqual(state.told, [['READY=1'], alive])
  await clock.advance(15_000)
  assert.deepEqual(state.told.at(-1), alive)
  assert.equal(state.told.length, 3)
  state.isAlive = false
  await clock.advance(15_000)
  assert.deepEqual(state.told.at(-1), ['STATUS=1 of 2 peers up'])
  await manager.stopping()
  assert.deepEqual(state.told.at(-1), ['STOPPING=1'])
})

test('a systemd that loses a message hears with the next sign of life that we are ready', async () => {
  for (const lost of [[0], [0, 1], [1]]) {
    const { state, manager, clock } = world({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000' })
    await using _manager = manager
    await manager.ready()
    await settle()
    await clock.advance(29_999)
    const heard = state.told.filter((_, index) => !lost.includes(index))
    assert.ok(heard.some((words) => words.includes('READY=1')))
    assert.ok(heard.filter((words) => words.includes('WATCHDOG=1')).length >= 2, 'and that we live')
  }
})

test('nothing is said after the end', async () => {
  const { state, manager, clock } = world({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000' })
  await manager.ready()
  await settle()
  await manager.stopping()
  state.status = 'another'
  manager.mayHaveChanged()
  await clock.advance(60_000)
  assert.deepEqual(state.told.at(-1), ['STOPPING=1'])
  await manager[Symbol.asyncDispose]()
})

test('another status is told soon, once for a burst', async () => {
  const { state, manager, clock } = world({ NOTIFY_SOCKET: '/run/n' })
  await using _manager = manager
  manager.mayHaveChanged()
  await manager.ready()
  await settle()
  manager.mayHaveChanged()
  await clock.advance(2_000)
  assert.equal(state.told.length, 2, 'the same as before')
  state.status = '2 of 2 peers up'
  manager.mayHaveChanged()
  manager.mayHaveChanged()
  await clock.advance(2_000)
  assert.deepEqual(state.told.slice(2), [['READY=1', 'WATCHDOG=1', 'STATUS=2 of 2 peers up']])
})

test("another process's watchdog is not ours; the status is told all the same", async () => {
  const { state, manager, clock } = world({ NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '1000', WATCHDOG_PID: '8' })
  await using _manager = manager
  await manager.ready()
  await settle()
  await clock.advance(59_999)
  assert.equal(state.told.length, 2)
  await clock.advance(1)
  assert.equal(state.told.length, 3)
})

test('that systemd cannot be told is said once and stops nothing', async () => {
  const { state, manager, clock } = world({ NOTIFY_SOCKET: '/run/n' })
  await using _manager = manager
  state.fault = new Error('no such socket')
  await manager.ready()
  await settle()
  await clock.advance(60_000)
  assert.equal(state.failures, 1)
  assert.deepEqual(state.told, [])
})
