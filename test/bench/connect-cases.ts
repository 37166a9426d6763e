import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { LabHost } from '../lab/box.ts'
import { addLan, move } from '../lab/changes.ts'
import { block, cut } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { type Mesh, type MeshOptions, mesh } from '../lab/mesh.ts'
import { Pinger } from '../lab/ping.ts'
import { behind, nat, publicHost, type Topology, topology } from '../lab/topology.ts'
import { makeBarePeer, publishBarePeers } from './bare-peers.ts'

export interface Case {
  readonly name: string
  readonly title: string
  /** In the unit of the case. */
  readonly limit: number
  readonly unit: 'ms' | 'packets' | '‰'
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

/** The same once all are up and `from` has begun to send its only peer ten echoes a second, which come back. */
const whileTalking = <T>(
  plan: Topology,
  from: string,
  measure: (nodes: Mesh, lab: Lab, pinger: Pinger) => Promise<T>,
  options: (lab: Lab) => MeshOptions = () => ({}),
): Promise<T> =>
  inMesh(plan, options, async (nodes, lab) => {
    await nodes.full()
    const host = lab.host(from)
    const address = (await nodes.until(host, () => true)).peers[0]?.address ?? ''
    await using pinger = new Pinger(host, address, 0.1)
    await pinger.nextAnswer(PATIENCE_MS)
    return await measure(nodes, lab, pinger)
  })

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

/** A hub that hears of many peers at once, each with six dead endpoints besides the good one. */
async function withPeers<T>(
  count: number,
  measure: (nodes: Mesh, lab: Lab, since: number) => Promise<T>,
): Promise<T> {
  const names = Array.from({ length: count }, (_, number) => `p${number}`)
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
  withPeers(PEERS, async (nodes, lab, since) => {
    const hub = lab.host('hub')
    const { peers } = await nodes.until(hub, (view) => view.peers.length === PEERS)
    const addresses = peers.map(({ address }) => address)
    // Each is asked again every 50 ms until it has answered.
    await hub.exec('fping', ['-q', '-r', '2000', '-B', '1', '-t', '50', '-i', '1', ...addresses], {
      timeoutMilliseconds: PATIENCE_MS,
    })
    return Date.now() - since
  })

const RACE_PORT = 51_819

/** What the hub sends from the port of races, before it is rewritten, and how often it changes an endpoint. */
const steadyState = (count: number, milliseconds: number): Promise<number> =>
  withPeers(count, async (nodes, lab) => {
    const hub = lab.host('hub')
    const isUp = ({ state }: { state: string }): boolean => state === 'up'
    await nodes.until(hub, (view) => view.peers.length === count && view.peers.every(isUp), PATIENCE_MS)
    await pause(5_000)
    await hub.sh(
      [
        'nft add table inet bench',
        "nft add chain inet bench out '{ type filter hook output priority -400; }'",
        `nft add rule inet bench out udp sport ${RACE_PORT} counter`,
      ].join('\n'),
    )
    const before = (await nodes.until(hub, () => true)).counters
    await pause(milliseconds)
    const { stdout } = await hub.exec('nft', ['list', 'table', 'inet', 'bench'])
    const { counters, peers } = await nodes.until(hub, () => true)
    if (!peers.every(isUp)) throw new Error('a peer is not up any more')
    if (counters.peersLost !== before.peersLost) throw new Error('a peer was down for a while')
    const racePackets = Number(/packets (\d+)/.exec(stdout)?.[1])
    return racePackets + counters.endpointChanges - before.endpointChanges
  })

/** The family that two hosts use is dropped between them while they talk; the other one works. */
const pathDies = (): Promise<number> =>
  whileTalking(topology({ hosts: [publicHost('a'), publicHost('b')] }), 'a', async (nodes, lab, pinger) => {
    const [a, b] = [lab.host('a'), lab.host('b')]
    // Each run at another moment between two samples.
    await pause(8_000 + Math.random() * 5_000)
    const { peers } = await nodes.until(a, () => true)
    const diesAt = performance.now()
    await using _dead = await block(lab, a, b, { family: peers[0]?.endpoint?.startsWith('[') ? 6 : 4 })
    await pause(300)
    await pinger.nextAnswer(PATIENCE_MS)
    return performance.now() - diesAt
  })

const hostMoves = (): Promise<number> =>
  whileTalking(
    topology({
      hosts: [publicHost('a', v4), behind('na', 'm', v4), behind('nb', 'other', v4)],
      nats: [nat('na', 'port-restricted'), nat('nb', 'port-restricted')],
    }),
    'm',
    async (_, lab, pinger) => {
      await move(lab, lab.host('m'), 'nb')
      return await pinger.nextAnswer(PATIENCE_MS)
    },
    (lab) => ({ hosts: [lab.host('a'), lab.host('m')] }),
  )

/** Two that talk over the wan get a LAN. `lost` is in thousandths, of all until `isOver`. */
const lanAppears = (
  isOver: (nodes: Mesh, lab: Lab) => Promise<unknown>,
): Promise<{ readonly took: number; readonly lost: number }> =>
  whileTalking(
    topology({ hosts: [publicHost('a', v4), publicHost('b', v4)] }),
    'a',
    async (nodes, lab, pinger) => {
      const startedAt = performance.now()
      await addLan(lab, 'office', [lab.host('a'), lab.host('b')])
      await isOver(nodes, lab)
      const took = performance.now() - startedAt
      const { sent, received } = await pinger.stop()
      return { took, lost: (1000 * (sent - received)) / sent }
    },
  )

const movedToLan = (nodes: Mesh, lab: Lab): Promise<unknown> =>
  Promise.all(
    ['a', 'b'].map((name) =>
      nodes.until(
        lab.host(name),
        ({ peers }) => peers[0]?.endpoint?.startsWith('192.168.') === true,
        PATIENCE_MS,
      ),
    ),
  )

/** Long enough for the attempts that come after the first. */
const LAN_WINDOW_MS = 60_000

const lanTakesOver = async (): Promise<number> => (await lanAppears(movedToLan)).took

const lanTakesPings = async (): Promise<number> => {
  const { lost } = await lanAppears(async (nodes, lab) => {
    await pause(LAN_WINDOW_MS)
    await movedToLan(nodes, lab)
  })
  return lost
}

const deadLanTakesPings = async (): Promise<number> => {
  const { lost } = await lanAppears(async (_, lab) => {
    await using _dead = await cut(lab, lab.host('b'), 'office')
    await pause(LAN_WINDOW_MS)
  })
  return lost
}

export const casesOf = ({ isLong }: { readonly isLong: boolean }): readonly Case[] => [
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
    name: 'lan',
    title: 'a LAN appears between two peers that talk over the wan',
    limit: 60_000,
    unit: 'ms',
    measure: lanTakesOver,
  },
  {
    name: 'lan-loss',
    title: 'pings lost in the minute after that, of 10/s',
    limit: 10,
    unit: '‰',
    runs: 1,
    measure: lanTakesPings,
  },
  {
    name: 'dead-lan',
    title: 'the same, where the LAN carries nothing',
    limit: 10,
    unit: '‰',
    runs: 1,
    measure: deadLanTakesPings,
  },
  isLong
    ? {
        name: 'steady',
        title: '200 peers up for 10 minutes: race packets and endpoint changes',
        limit: 0,
        unit: 'packets',
        runs: 1,
        measure: () => steadyState(200, 600_000),
      }
    : {
        name: 'steady',
        title: '30 peers up for 60 s: race packets and endpoint changes',
        limit: 0,
        unit: 'packets',
        runs: 1,
        measure: () => steadyState(PEERS, 60_000),
      },
]
