import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { LabHost } from '../lab/box.ts'
import { move } from '../lab/changes.ts'
import { block } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { type Mesh, type MeshOptions, mesh } from '../lab/mesh.ts'
import { Pinger } from '../lab/ping.ts'
import { behind, nat, publicHost, type Topology, topology } from '../lab/topology.ts'
import { countsSince } from '../lab/wan-watch.ts'
import { makeBarePeer, publishBarePeers } from './bare-peers.ts'

export interface Case {
  readonly name: string
  readonly title: string
  /** In the unit of the case. */
  readonly limit: number
  readonly unit: 'ms' | 'packets'
  /** Runs enough for it, where it takes long and does not vary. */
  readonly runs?: number
  measure(): Promise<number>
}

/** Nobody is there (RFC 5737). */
const DEAD_ENDPOINTS = Array.from({ length: 6 }, (_, number) => `198.51.100.${number + 1}:51820`)
const PATIENCE_MS = 90_000
const v4 = { families: [4] } as const
const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds))

async function inMesh<T>(
  plan: Topology,
  options: (lab: Lab) => MeshOptions,
  measure: (nodes: Mesh, lab: Lab) => Promise<T>,
): Promise<T> {
  await using lab = await Lab.create(plan, { prefix: 'bench' })
  await using nodes = await mesh(lab, options(lab))
  return await measure(nodes, lab)
}

/**
 * From the moment in which the first host knows the second one until an echo comes back through the tunnel. Both daemons
 * are there before they hear of each other, so that nobody's start is measured.
 */
async function timeToFirstAnswer(nodes: Mesh, from: LabHost, to: LabHost): Promise<number> {
  await nodes.stopDiscovery()
  for (const host of [from, to]) nodes.startDaemon(host)
  for (const host of [from, to])
    await nodes.until(host, ({ lastReconcile }) => lastReconcile !== undefined && !lastReconcile.error)
  await nodes.startDiscovery()
  const view = await nodes.until(from, ({ peers }) => peers.length > 0)
  await using pinger = new Pinger(from, view.peers[0]?.address ?? '', 0.02)
  await pinger.nextAnswer(PATIENCE_MS)
  return Date.now() - knownAt(view)
}

/** When the pass began that first saw the peer, on the wall clock. */
const knownAt = ({ lastReconcile }: DaemonView): number =>
  (lastReconcile?.at ?? 0) - (lastReconcile?.durationMilliseconds ?? 0)

const withDeadEndpoints = { KubeSpanEndpointsConfig: { extraAnnouncedEndpoints: DEAD_ENDPOINTS } }

const deadEndpoints = (): Promise<number> =>
  inMesh(
    topology({ hosts: [publicHost('a', v4), publicHost('b', v4)] }),
    () => ({ hosts: [], documents: () => withDeadEndpoints }),
    (nodes, lab) => timeToFirstAnswer(nodes, lab.host('a'), lab.host('b')),
  )

const behindNats = (): Promise<number> =>
  inMesh(
    topology({
      hosts: [behind('na', 'a', v4), behind('nb', 'b', v4)],
      nats: [nat('na', 'port-restricted'), nat('nb', 'port-restricted')],
    }),
    () => ({ hosts: [] }),
    (nodes, lab) => timeToFirstAnswer(nodes, lab.host('a'), lab.host('b')),
  )

const PEERS = 30

/** A hub that hears of thirty peers at once, each with six dead endpoints besides the good one. */
async function withThirtyPeers<T>(measure: (nodes: Mesh, lab: Lab, since: number) => Promise<T>): Promise<T> {
  const names = Array.from({ length: PEERS }, (_, number) => `p${number}`)
  return await inMesh(
    topology({ hosts: ['hub', ...names].map((name) => publicHost(name, v4)) }),
    (lab) => ({ hosts: [lab.host('hub')] }),
    async (nodes, lab) => {
      const hub = lab.host('hub')
      const { identity } = await nodes.until(
        hub,
        (view) => view.identity !== undefined && view.services.some(({ connected }) => connected),
      )
      if (identity === undefined) throw new Error('the hub does not know who it is')
      const peers = []
      for (const name of names) peers.push(await makeBarePeer(lab.host(name), identity, nodes.cluster))
      const known = nodes.until(hub, (view) => view.peers.length > 0).then(knownAt)
      await publishBarePeers(lab, peers, nodes.cluster, DEAD_ENDPOINTS)
      return await measure(nodes, lab, await known)
    },
  )
}

const thirtyPeers = (): Promise<number> =>
  withThirtyPeers(async (nodes, lab, since) => {
    const hub = lab.host('hub')
    const { peers } = await nodes.until(hub, (view) => view.peers.length === PEERS)
    const addresses = peers.map(({ address }) => address)
    // Each is asked again every 50 ms until it has answered.
    await hub.exec('fping', ['-q', '-r', '2000', '-B', '1', '-t', '50', '-i', '1', ...addresses], {
      timeoutMilliseconds: PATIENCE_MS,
    })
    return Date.now() - since
  })

const STEADY_MS = 60_000

const steadyState = (): Promise<number> =>
  withThirtyPeers(async (nodes, lab) => {
    const hub = lab.host('hub')
    const isUp = ({ state }: { state: string }): boolean => state === 'up'
    await nodes.until(hub, (view) => view.peers.length === PEERS && view.peers.every(isUp), PATIENCE_MS)
    await pause(5_000)
    const before = await lab.counts()
    const endpoints = async (): Promise<string> => {
      const { peers } = await nodes.until(hub, () => true)
      return JSON.stringify(peers.map(({ publicKey, endpoint }) => [publicKey, endpoint]))
    }
    const endpointsBefore = await endpoints()
    await pause(STEADY_MS)
    if ((await endpoints()) !== endpointsBefore) throw new Error('an endpoint has changed')
    return countsSince(before, await lab.counts()).initiation.packets
  })

/** The family that two hosts use is dropped between them while they exchange ten echoes a second; the other one works. */
const pathDies = (): Promise<number> =>
  inMesh(
    topology({ hosts: [publicHost('a'), publicHost('b')] }),
    () => ({}),
    async (nodes, lab) => {
      await nodes.full()
      const [a, b] = [lab.host('a'), lab.host('b')]
      const address = (await nodes.until(a, () => true)).peers[0]?.address ?? ''
      await using pinger = new Pinger(a, address, 0.1)
      await pinger.nextAnswer(PATIENCE_MS)
      // Each run at another moment between two samples.
      await pause(8_000 + Math.random() * 5_000)
      const { peers } = await nodes.until(a, () => true)
      const diesAt = performance.now()
      await using _dead = await block(lab, a, b, { family: peers[0]?.endpoint?.startsWith('[') ? 6 : 4 })
      await pause(300)
      await pinger.nextAnswer(PATIENCE_MS)
      return performance.now() - diesAt
    },
  )

const hostMoves = (): Promise<number> =>
  inMesh(
    topology({
      hosts: [publicHost('a', v4), behind('na', 'm', v4), behind('nb', 'other', v4)],
      nats: [nat('na', 'port-restricted'), nat('nb', 'port-restricted')],
    }),
    (lab) => ({ hosts: [lab.host('a'), lab.host('m')] }),
    async (nodes, lab) => {
      await nodes.full()
      const mover = lab.host('m')
      const address = (await nodes.until(mover, () => true)).peers[0]?.address ?? ''
      await using pinger = new Pinger(mover, address, 0.1)
      await pinger.nextAnswer(PATIENCE_MS)
      await move(lab, mover, 'nb')
      return await pinger.nextAnswer(PATIENCE_MS)
    },
  )

export const CASES: readonly Case[] = [
  {
    name: 'dead',
    title: '6 dead endpoints and 1 good one, to the first ping',
    limit: 500,
    unit: 'ms',
    measure: deadEndpoints,
  },
  {
    name: 'thirty',
    title: 'the same for 30 peers at once, to the last of them',
    limit: 3000,
    unit: 'ms',
    measure: thirtyPeers,
  },
  { name: 'nats', title: 'both behind port-restricted NATs', limit: 3000, unit: 'ms', measure: behindNats },
  {
    name: 'dies',
    title: 'the path dies silently under 10 pings/s',
    limit: 15_000,
    unit: 'ms',
    measure: pathDies,
  },
  { name: 'moves', title: 'a host moves to another network', limit: 3000, unit: 'ms', measure: hostMoves },
  {
    name: 'steady',
    title: '30 peers up for 60 s: initiations sent',
    limit: 0,
    unit: 'packets',
    runs: 1,
    measure: steadyState,
  },
]
