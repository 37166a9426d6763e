import { setTimeout as sleep } from 'node:timers/promises'
import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { Prefix } from '../../shared/net/address.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { affiliateOf } from '../support/affiliates.ts'
import { publish } from './bare-peers.ts'
import { cpuMilliseconds, type Hub, PEERS, playPeers, residentMegabytes } from './thousand-peers.ts'

export interface Figure {
  readonly title: string
  /** Absent: for information. */
  readonly limit?: number
  readonly unit: string
  readonly value: number
  readonly range?: string
}

export const CASES: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  up: peersThatAnswer,
  down: peersThatAreSilent,
  update: timeOfAnUpdate,
}

/** Who has just come up is asked by echo, and written down: that is not idling yet. */
const SETTLE_MS = 30_000
const IDLE_MS = 60_000
const CHANGES = 20
const CHANGE_EVERY_MS = 2_000
const STATUS_CALLS = 10

async function peersThatAnswer(): Promise<readonly Figure[]> {
  await using played = await playPeers(true)
  const { hub, upAfterMilliseconds = Number.NaN } = played
  await sleep(SETTLE_MS)
  const idle = await idlePercent(hub)
  const change = await costOfChange(hub, idle)
  const status = await statusMilliseconds(hub)
  const { peers } = await hub.nodes.control(hub.host).view()
  const down = peers.filter(({ state }) => state !== 'up').length
  return [
    {
      title: `${PEERS} peers, from the first word of them until all are up`,
      unit: 'ms',
      value: upAfterMilliseconds,
    },
    {
      title: `${PEERS} peers up: one changes, CPU of all that follows`,
      limit: 150,
      unit: 'ms',
      value: change,
    },
    { title: `${PEERS} peers up: idle for 60 s, CPU of a core`, limit: 1, unit: '%', value: idle },
    {
      title: `${PEERS} peers up: resident memory`,
      limit: 150,
      unit: 'MB',
      value: residentMegabytes(hub.pid),
    },
    { title: `${PEERS} peers up: \`kubespan status\`, median`, limit: 300, unit: 'ms', ...spread(status) },
    { title: `${PEERS} peers up: not up at the end`, limit: 0, unit: 'peers', value: down },
  ]
}

async function peersThatAreSilent(): Promise<readonly Figure[]> {
  await using played = await playPeers(false)
  const { hub } = played
  return [
    { title: `${PEERS} peers that never answer: CPU of a core`, unit: '%', value: await idlePercent(hub) },
    {
      title: `${PEERS} peers that never answer: resident memory`,
      unit: 'MB',
      value: residentMegabytes(hub.pid),
    },
  ]
}

async function idlePercent({ pid }: Hub): Promise<number> {
  const before = cpuMilliseconds(pid)
  await sleep(IDLE_MS)
  return (100 * (cpuMilliseconds(pid) - before)) / IDLE_MS
}

const withPods = (affiliate: Affiliate, prefix: string): Affiliate => ({
  ...affiliate,
  ...(affiliate.kubespan && {
    kubespan: { ...affiliate.kubespan, additionalAddresses: [prefix as Prefix] },
  }),
})

/** What the daemon would have used anyway meanwhile is not counted. */
async function costOfChange({ lab, nodes, host, pid, affiliates }: Hub, idle: number): Promise<number> {
  const changed = affiliates.slice(0, CHANGES).map((one, number) => withPods(one, `10.99.${number}.0/24`))
  const [before, startedAt] = [cpuMilliseconds(pid), performance.now()]
  await publish(lab, nodes.cluster, changed, CHANGE_EVERY_MS)
  const took = performance.now() - startedAt
  const used = cpuMilliseconds(pid) - before - (idle / 100) * took
  const { peers } = await nodes.control(host).view()
  const seen = peers.filter(({ allowedIps }) =>
    allowedIps.some((prefix) => prefix.startsWith('10.99.')),
  ).length
  if (seen !== CHANGES) throw new Error(`${seen} of ${CHANGES} changes have arrived`)
  return used / CHANGES
}

async function statusMilliseconds({ nodes, host }: Hub): Promise<readonly number[]> {
  const times: number[] = []
  for (let call = 0; call < STATUS_CALLS; call += 1) {
    const startedAt = performance.now()
    const { stdout } = await nodes.kubespan(host, ['status'])
    times.push(performance.now() - startedAt)
    if (!stdout.includes(`${PEERS} peers`)) throw new Error('status does not tell of all peers')
  }
  return times
}

const UPDATES = 50
const UPDATE_EVERY_MS = 700

/** From the call with which the update leaves until WireGuard on another host has it, as `wg` shows it there. */
async function timeOfAnUpdate(): Promise<readonly Figure[]> {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name, { families: [4] }))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'benchdaemon' })
  await using nodes = await mesh(lab)
  await nodes.full()
  const { identity } = await nodes.until(lab.host('b'), (view) => view.identity !== undefined)
  const { peers } = await nodes.until(lab.host('b'), (view) => view.peers.length === 2)
  const [peer] = peers
  if (identity === undefined || peer === undefined) throw new Error('the mesh is not up')
  const stranger = affiliateOf({
    nodeId: 'stranger',
    nodename: 'stranger',
    publicKey: Buffer.alloc(32, 8).toString('base64'),
    address: identity.address,
    endpoints: peer.endpoints,
  })
  const prefixes = Array.from({ length: UPDATES }, (_, number) => `10.99.${number}.0/24`)
  const updates = prefixes.map((prefix) => withPods(stranger, prefix))
  await sleep(2_000)
  const arrivals = watchPrefixes(lab.host('b'), prefixes)
  const departures = await publish(lab, nodes.cluster, updates, UPDATE_EVERY_MS)
  const arrivedAt = await arrivals
  const times = departures.map((at, number) => (arrivedAt.get(prefixes[number] ?? '') ?? Infinity) - at)
  const sorted = times.toSorted((a, b) => a - b)
  return [
    {
      title: `${UPDATES} updates of an affiliate: from leaving until set on another host, 95th percentile`,
      limit: 300,
      unit: 'ms',
      value: sorted[Math.ceil(0.95 * sorted.length) - 1] ?? Number.NaN,
      range: `${Math.round(sorted[0] ?? 0)}–${Math.round(sorted.at(-1) ?? 0)}`,
    },
  ]
}

const ARRIVAL_LIMIT_MS = UPDATES * UPDATE_EVERY_MS + 20_000

/** When each was first seen with a peer of the host, on the wall clock; a look takes some 10 ms. */
async function watchPrefixes(
  host: LabHost,
  prefixes: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>()
  const deadline = performance.now() + ARRIVAL_LIMIT_MS
  while (seen.size < prefixes.length && performance.now() < deadline) {
    const { stdout } = await host.exec('wg', ['show', 'kubespan', 'allowed-ips'])
    for (const prefix of prefixes)
      if (!seen.has(prefix) && stdout.includes(prefix)) seen.set(prefix, Date.now())
    await sleep(2)
  }
  return seen
}

function spread(values: readonly number[]): Pick<Figure, 'value' | 'range'> {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    value: sorted[sorted.length >> 1] ?? Number.NaN,
    range: `${Math.round(sorted[0] ?? 0)}–${Math.round(sorted.at(-1) ?? 0)}`,
  }
}
