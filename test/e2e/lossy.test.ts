import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delay, lose } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { Pinger, pingAll } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertNothingInClear, eventually, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

/** At both ends of a path: 20 % of the packets are lost on it. */
const LOSS_PERCENT_AT_EACH_END = 10.6
/** Of what each host sends: a round trip takes 100 ms. */
const DELAY_MS = 50

test('through loss and delay the mesh comes up, stays up, and takes in who comes late', {
  skip,
}, async (t) => {
  const names = ['a', 'b', 'c', 'late']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2elossy',
  })
  const [a, b, c, late] = names.map((name) => lab.host(name))
  assert.ok(a && b && c && late)
  await using faults = new AsyncDisposableStack()
  for (const host of lab.hosts) {
    faults.use(await delay(lab, host, DELAY_MS))
    faults.use(await lose(lab, host, LOSS_PERCENT_AT_EACH_END))
  }
  await using mesh = new Mesh(lab, { timing: FAST })
  await mesh.startDiscovery()
  const first = [a, b, c]
  for (const host of first) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const ula = await Promise.all(first.map((host) => ulaOf(mesh, host)))
  await using pingers = new AsyncDisposableStack()
  const running = [
    pingers.use(new Pinger(a, ula[1] ?? '', 0.1)),
    pingers.use(new Pinger(b, ula[2] ?? '', 0.1)),
    pingers.use(new Pinger(c, ula[0] ?? '', 0.1)),
  ]

  await t.test('without news no peer changes its state, and no endpoint changes', async () => {
    for (const pinger of running) await pinger.nextAnswer(PATIENCE_MS)
    const counted = async () =>
      await Promise.all(
        first.map(async (host) => {
          const { counters } = await mesh.control(host).view()
          return [counters.peersLost, counters.endpointChanges]
        }),
      )
    const before = await counted()
    await Promise.all(first.map((host) => afterPeriod(mesh, host, 8_000)))
    assert.deepEqual(await counted(), before)
    for (const host of first)
      assert.deepEqual(
        (await mesh.control(host).view()).peers.map(({ state }) => state),
        ['up', 'up'],
      )
  })

  await t.test('the service dies, a fourth host starts, and joins when the service is back', async () => {
    await mesh.stopDiscovery('SIGKILL')
    mesh.startDaemon(late)
    for (const host of first)
      await mesh.until(host, ({ services }) => services[0]?.connected === false, PATIENCE_MS)
    const alone = await mesh.until(late, ({ lastReconcile }) => lastReconcile !== undefined, PATIENCE_MS)
    assert.deepEqual(alone.peers, [])
    for (const host of first) {
      const { peers, counters } = await afterPeriod(mesh, host)
      assert.deepEqual([peers.map(({ state }) => state), counters.peersLost], [['up', 'up'], 0])
    }
    await mesh.startDiscovery()
    for (const host of first) await mesh.until(host, (view) => isUp(view, 'late'), PATIENCE_MS)
    await mesh.full(PATIENCE_MS)
    await eventually(
      'the late one is reached',
      () => pingAll(late, ula),
      (echoes) => echoes.some(({ roundTripMilliseconds = 0 }) => roundTripMilliseconds >= 2 * DELAY_MS),
    )
  })

  await t.test('pings were lost as the network lost them, and nothing was in clear', async () => {
    for (const pinger of running) {
      const { sent, received } = await pinger.stop()
      assert.ok(
        sent > 50 && received / sent > 0.45 && received / sent < 0.85,
        `${received} of ${sent} answered`,
      )
    }
    await assertNothingInClear(lab)
  })
})
