import assert from 'node:assert/strict'
import { test } from 'node:test'
import { demoTopology } from '../lab/demo-topology.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { meshAddresses, nodeAddresses, pingMatrix, podAddresses } from '../lab/ping-matrix.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
  withHistory,
} from './story.ts'

test('the mesh comes up, survives the death of the discovery service, and takes in a new node', {
  skip,
}, async (t) => {
  const demo = demoTopology()
  const withLatecomer = topology({ ...demo, hosts: [...demo.hosts, publicHost('late', { pod: true })] })
  await using lab = await Lab.create(withLatecomer, { prefix: 'e2emesh' })
  await using mesh = new Mesh(lab, { timing: FAST })
  const late = lab.host('late')
  const first = lab.hosts.filter((host) => host !== late)
  await mesh.startDiscovery()
  for (const host of first) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const ula = new Map<string, string>()
  for (const host of first) ula.set(host.name, await ulaOf(mesh, host))

  await t.test(
    'every pair reaches each other by every address, and nothing is in clear',
    withHistory(mesh, async () => {
      const everyPair = async (): Promise<void> => {
        for (const kind of [nodeAddresses, meshAddresses(({ name }) => ula.get(name) ?? ''), podAddresses]) {
          const { title, cells } = await pingMatrix(first, kind, { attempts: 5 })
          const silent = cells
            .flat(2)
            .filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined)
          assert.deepEqual(silent, [], title)
        }
        await assertNothingInClear(lab)
      }
      await everyPair()
      await Promise.all(first.map((host) => afterPeriod(mesh, host)))
      await everyPair()
    }),
  )

  await t.test('kubespan status tells it', async () => {
    const { stdout } = await mesh.kubespan(lab.host('natted'), ['status'])
    assert.match(stdout, /5 peers: 5 up/)
    for (const name of ['public1', 'public2', 'lan1', 'lan2', 'cone'])
      assert.match(stdout, new RegExp(`^${name}\\s+up\\s`, 'm'))
    const json = JSON.parse((await mesh.kubespan(lab.host('natted'), ['status', '-o', 'json'])).stdout)
    assert.equal(json.peers.length, 5)
  })

  await t.test(
    'the discovery service is killed and started again: no tunnel notices',
    withHistory(mesh, async () => {
      const [one = late, ...others] = first
      const pingers = await Promise.all(others.map(({ name }) => steadyPing(one, ula.get(name) ?? '')))
      await mesh.stopDiscovery('SIGKILL')
      const said = await Promise.all(
        first.map((host) =>
          mesh.until(host, ({ services }) => services[0]?.connected === false, PATIENCE_MS),
        ),
      )
      for (const view of said) assert.equal(view.peers.filter(({ state }) => state === 'up').length, 5)
      await Promise.all(first.map((host) => afterPeriod(mesh, host)))
      await mesh.startDiscovery()
      for (const host of first)
        await mesh.until(
          host,
          ({ services }) => services[0]?.connected === true && services[0].affiliates === 5,
          PATIENCE_MS,
        )
      for (const pinger of pingers) await assertNoneLost(pinger)
    }),
  )

  await t.test('a new node is seen by all', async () => {
    mesh.startDaemon(late)
    for (const host of first) await mesh.until(host, (view) => isUp(view, late.name), PATIENCE_MS)
    await mesh.full(PATIENCE_MS)
    await assertReaches(late, [...ula.values()])
    await Promise.all(mesh.hosts.map((host) => afterPeriod(mesh, host)))
    await assertReaches(late, [...ula.values()])
    await assertNothingInClear(lab)
  })
})
