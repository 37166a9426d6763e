import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { podAttachment, podPrefixes } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { move } from '../lab/changes.ts'
import { Lab } from '../lab/lab.ts'
import { Pinger, pingAll } from '../lab/ping.ts'
import { publicHost, topology, WAN } from '../lab/topology.ts'
import { kubernetesBinaries } from '../support/kubernetes/binaries.ts'
import { createNode, KubernetesMesh, startCluster } from '../support/kubernetes/lab-cluster.ts'

const binaries = await kubernetesBinaries()
const skip = typeof binaries === 'string' ? binaries : process.getuid?.() === 0 ? false : 'needs root'

/** How long the API server is away. */
const OUTAGE_MS = 60_000

const podAddresses = ({ name, index }: LabHost): string[] => {
  const { v4, v6 } = podAttachment(name, index)
  return [v4?.address ?? '', v6?.address ?? '']
}
const peerOf = (view: DaemonView, host: LabHost) => view.peers.find(({ label }) => label === host.name)
const allowedIps = (view: DaemonView, host: LabHost): readonly string[] =>
  peerOf(view, host)?.allowedIps ?? []

test('four nodes of a Kubernetes cluster, three of them without any discovery service', {
  skip,
}, async (t) => {
  if (typeof binaries === 'string') return
  const hosts = ['cp', 'w1', 'w2', 'w3'].map((name) => publicHost(name, { pod: true }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'kubernetes' })
  const [cp, w1, w2, w3] = lab.hosts
  assert.ok(cp && w1 && w2 && w3)
  await using server = await startCluster(cp, binaries)
  await using mesh = new KubernetesMesh(lab, server, {
    withService: (host) => host === cp,
    timing: { reconcileEvery: '1s' },
  })
  await mesh.startDiscovery()
  for (const host of lab.hosts) await mesh.join(host)

  const podsReachEachOther = async (pairs: readonly (readonly [LabHost, LabHost])[]): Promise<void> => {
    for (const [from, to] of pairs) {
      assert.ok(from.pod)
      const echoes = await pingAll(from.pod, podAddresses(to), { attempts: 5 })
      const silent = echoes.filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined)
      assert.deepEqual(silent, [], `from a pod of ${from.name} to one of ${to.name}`)
    }
  }

  await t.test('the mesh comes up, pods reach each other, and everybody knows from where', async () => {
    for (const host of lab.hosts) mesh.startDaemon(host)
    await mesh.full()
    await podsReachEachOther([
      [cp, w1],
      [w1, w2],
      [w2, w3],
      [w3, cp],
    ])
    for (const host of [w1, w2, w3]) {
      const view = await mesh.control(host).view()
      assert.equal(view.services.length, 0)
      assert.equal(view.kubernetes?.nodename, host.name)
      const others = view.affiliates.filter(({ isLocal }) => !isLocal)
      assert.deepEqual([...new Set(others.flatMap(({ sources }) => sources))], ['k8s'])
    }
    const { stdout } = await mesh.kubespan(w1, ['get', 'affiliates', '-o', 'yaml'])
    assert.match(stdout, /k8s/)
  })

  await t.test('the API server stays outside the tunnel, which it does not need', async () => {
    const goal = `${cp.v4}:6443`
    const { stdout } = await w1.exec('nft', ['list', 'ruleset'])
    assert.ok(stdout.includes(`${cp.v4} . 6443`), `${goal} is in the bypass set`)
    const leaks = await lab.leaks()
    for (const { from, to, protocol } of leaks)
      assert.ok(
        [from, to].includes(cp.v4 ?? '') && ['6', 'tcp'].includes(protocol),
        `${from} > ${to} ${protocol}`,
      )
  })

  await t.test('doctor asks it too', async () => {
    const { stdout } = await mesh.kubespan(w1, ['doctor'], { check: false })
    assert.match(stdout, /^ok +kubernetes +\S+ answers, with 4 Nodes$/m)
    assert.match(stdout, /^ok +kubernetes +the Node of this machine is w1$/m)
  })

  await t.test('a Node is deleted and made anew with other pod networks', async () => {
    const fresh = ['10.245.9.0/24', 'fd10:245:9::/64']
    await server.ask('DELETE', `/api/v1/nodes/${w3.name}`)
    await mesh.until(w3, ({ kubernetes }) => kubernetes?.nodename === undefined)
    await createNode(server, w3, fresh)
    for (const host of [cp, w1, w2])
      await mesh.until(host, (view) => {
        const allowed = allowedIps(view, w3)
        return (
          fresh.every((prefix) => allowed.includes(prefix)) &&
          !podPrefixes(w3.index).some((prefix) => allowed.includes(prefix))
        )
      })
    await server.ask('DELETE', `/api/v1/nodes/${w3.name}`)
    await createNode(server, w3, podPrefixes(w3.index))
    await mesh.until(w1, (view) =>
      podPrefixes(w3.index).every((prefix) => allowedIps(view, w3).includes(prefix)),
    )
    await mesh.full()
    await podsReachEachOther([
      [w1, w3],
      [w3, w2],
    ])
  })

  await t.test('a host that moves to another address hears at once of what changes after that', async () => {
    await move(lab, w1, WAN)
    await mesh.full()
    const fresh = ['10.245.10.0/24', 'fd10:245:10::/64']
    for (const podCidrs of [fresh, podPrefixes(w3.index)]) {
      await server.ask('DELETE', `/api/v1/nodes/${w3.name}`)
      await createNode(server, w3, podCidrs)
      await mesh.until(w1, (view) => podCidrs.every((prefix) => allowedIps(view, w3).includes(prefix)))
    }
    await mesh.full()
    await podsReachEachOther([[w1, w3]])
  })

  await t.test(
    'the API server is away for a minute: nothing is lost, a daemon restarts, and it is caught up with',
    async () => {
      assert.ok(w1.pod)
      await using pinger = new Pinger(w1.pod, podAddresses(w3)[0] ?? '', 0.2)
      await pinger.nextAnswer(5000)
      const stoppedAt = performance.now()
      await server.stopApiServer()
      await mesh.until(w1, ({ kubernetes }) => kubernetes?.connected === false)
      await mesh.daemon(w2).stop()
      mesh.startDaemon(w2)
      await mesh.until(
        w2,
        (view) => view.peers.length === 3 && view.peers.every(({ state }) => state === 'up'),
      )
      await podsReachEachOther([[w2, w3]])
      await sleep(Math.max(0, OUTAGE_MS - (performance.now() - stoppedAt)))
      for (const host of lab.hosts) {
        const view = await mesh.control(host).view()
        assert.deepEqual(
          view.peers.map(({ state }) => state),
          ['up', 'up', 'up'],
          host.name,
        )
      }
      await server.startApiServer()
      for (const host of lab.hosts)
        await mesh.until(host, ({ kubernetes }) => kubernetes?.connected === true, 40_000)
      const { sent, received } = await pinger.stop()
      assert.ok(sent - received <= 1, `${sent - received} of ${sent} lost`)
      await mesh.until(w2, ({ affiliates }) =>
        affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined),
      )
    },
  )

  await t.test('leaving takes the annotations away', async () => {
    await mesh.kubespan(w3, ['leave'])
    const { metadata } = await server.ask('GET', `/api/v1/nodes/${w3.name}`)
    assert.deepEqual(Object.keys(metadata.annotations ?? {}), [])
    await mesh.until(w1, ({ affiliates }) =>
      affiliates.some(
        ({ nodename, unconfirmedUntil }) => nodename === w3.name && unconfirmedUntil !== undefined,
      ),
    )
  })
})
