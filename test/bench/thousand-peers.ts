import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeys } from '../../kubespan/sources/identity-file.ts'
import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { type Mesh, mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { affiliateOf } from '../support/affiliates.ts'
import { publish } from './bare-peers.ts'
import type { SimulatedPeers } from './simulated-peers.ts'

/** One host with a daemon that hears of many peers, which are all played by one process on the internet server. */
export interface Hub {
  readonly lab: Lab
  readonly nodes: Mesh
  readonly host: LabHost
  readonly pid: number
  readonly affiliates: readonly Affiliate[]
}

export const PEERS = 1_000
const FIRST_PORT = 20_000
const UP_LIMIT_MS = 120_000
/** What follows from coming up is over by then. */
const SETTLE_MS = 15_000
/** Nobody is there (RFC 5737). */
const DEAD_ENDPOINT = '198.51.100.1:51820' as AddressPort

export interface Played extends AsyncDisposable {
  readonly hub: Hub
  /** From the first word of them until all are up. */
  readonly upAfterMilliseconds: number | undefined
}

/** As nodes of a cluster have it: an address of their own, and a network for pods. */
function affiliateNumber(number: number, publicKey: string, subnet: string, isAnswering: boolean): Affiliate {
  const [high, low] = [number >> 8, number & 255]
  const name = `node${`${number}`.padStart(4, '0')}`
  return affiliateOf({
    nodeId: name,
    nodename: name,
    hostname: name,
    operatingSystem: 'bench',
    publicKey,
    address: subnet.replace(/::\/64$/, `::c:${(number + 1).toString(16)}`) as Address,
    addresses: [`10.200.${high}.${low}` as Address],
    additionalAddresses: [`10.${100 + high}.${low}.0/24` as Prefix],
    endpoints: [
      ...(isAnswering ? [`${INTERNET_V4}:${FIRST_PORT + number}` as AddressPort] : []),
      DEAD_ENDPOINT,
      `10.200.${high}.${low}:51820` as AddressPort,
    ],
  })
}

/** Waits until all are known, and up when they answer; then a while longer. */
export async function playPeers(isAnswering: boolean): Promise<Played> {
  await using stack = new AsyncDisposableStack()
  const plan = topology({ hosts: [publicHost('hub', { families: [4] })] })
  const lab = stack.use(await Lab.create(plan, { prefix: 'benchdaemon' }))
  const nodes = stack.use(
    await mesh(lab, {
      discoveryFlags: ['-rate-limit=0', '-max-affiliates-per-address=0', '-max-unproven-per-address=0'],
    }),
  )
  const host = lab.host('hub')
  const { identity, pid } = await nodes.until(
    host,
    (view) => view.identity !== undefined && view.services.some(({ connected }) => connected),
  )
  if (identity === undefined) throw new Error('the hub does not know who it is')
  const keys = Array.from({ length: PEERS }, generateKeys)
  if (isAnswering) await play(lab, identity.publicKey, nodes.cluster.clusterSecret, keys)
  const affiliates = keys.map(({ publicKey }, number) =>
    affiliateNumber(number, publicKey, identity.subnet, isAnswering),
  )
  const startedAt = performance.now()
  await publish(lab, nodes.cluster, affiliates)
  await nodes.until(
    host,
    ({ peers }) => peers.length === PEERS && (!isAnswering || peers.every(({ state }) => state === 'up')),
    UP_LIMIT_MS,
  )
  const upAfterMilliseconds = isAnswering ? performance.now() - startedAt : undefined
  await sleep(SETTLE_MS)
  const all = stack.move()
  return {
    hub: { lab, nodes, host, pid, affiliates },
    upAfterMilliseconds,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function play(
  lab: Lab,
  callerKey: string,
  presharedKey: string,
  keys: readonly { readonly privateKey: string }[],
): Promise<void> {
  const file = join(lab.internet.stateDirectory, 'peers.json')
  const peers = keys.map(({ privateKey }, number) => ({ privateKey, port: FIRST_PORT + number }))
  const played: SimulatedPeers = { callerKey, presharedKey, peers }
  writeFileSync(file, JSON.stringify(played), { mode: 0o600 })
  const script = join(import.meta.dirname, 'simulated-peers.ts')
  await lab.internet.spawn(process.execPath, [script, file], { name: 'peers' }).waitFor(/^ready$/m, 30_000)
}

/** USER_HZ of Linux. */
const TICKS_PER_SECOND = 100

/**
 * Of a process and its tools, those that have ended and those that still run, in milliseconds. Without wireguard-go, which stands
 * in for the kernel.
 */
export function cpuMilliseconds(pid: number): number {
  const tools = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...tools.map(Number)].reduce((sum, one) => sum + ownAndEnded(one), 0)
}

/** None of one that has just ended: its parent is told. */
function ownAndEnded(pid: number): number {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return 0
  }
  if (stat.includes('(wireguard-go)')) return 0
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = [11, 12, 13, 14].reduce((sum, place) => sum + Number(fields[place]), 0)
  return (ticks * 1000) / TICKS_PER_SECOND
}

export function residentMegabytes(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}
