import assert from 'node:assert/strict'
import type { DaemonView, PeerView } from '../../kubespan/model/daemon-view.ts'
import type { Box, LabHost } from '../lab/box.ts'
import type { Lab } from '../lab/lab.ts'
import type { Mesh } from '../lab/mesh.ts'
import { Pinger, type PingRun, pingAll } from '../lab/ping.ts'
import { patient } from '../support/patience.ts'

/** What the end-to-end stories have in common. */

export const skip = process.getuid?.() === 0 ? false : 'network namespaces need root'

/** Where a test waits for a mesh: long, because the machine may be busy with other tests; no test waits longer than it must. */
export const PATIENCE_MS = 60_000

/** Periods of a minute in seconds; where a pass itself takes seconds, not so often that nothing else is done. */
export const FAST = {
  reconcileEvery: `${Math.min(patient(1), 5)}s`,
  discoveryBackoffInitial: '100ms',
  discoveryBackoffCap: '1s',
}

export const peerOf = (view: DaemonView, host: LabHost): PeerView | undefined =>
  view.peers.find(({ label }) => label === host.name)

/** The address of the host in the mesh. */
export async function ulaOf(mesh: Mesh, host: LabHost): Promise<string> {
  const { identity } = await mesh.until(host, (view) => view.identity !== undefined, PATIENCE_MS)
  return identity?.address ?? ''
}

/** Waits until the daemon has passed over everything once more, a whole period from now. */
export async function afterPeriod(
  mesh: Mesh,
  host: LabHost,
  periodMilliseconds = 1_000,
): Promise<DaemonView> {
  const dueAt = Date.now() + periodMilliseconds
  return mesh.until(host, ({ lastReconcile }) => (lastReconcile?.at ?? 0) >= dueAt, PATIENCE_MS)
}

/** Looks again and again until it is so. @throws with what it saw last, when the time is over. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  isSo: (value: T) => boolean,
  timeoutMilliseconds = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patient(timeoutMilliseconds)
  for (;;) {
    const value = await look()
    if (isSo(value)) return value
    if (performance.now() > deadline)
      throw new Error(`not so after ${timeoutMilliseconds} ms: ${what}; last seen:\n${String(value)}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
const LOOK_EVERY_MS = 50

export async function assertReaches(from: Box, addresses: readonly string[]): Promise<void> {
  const echoes = await pingAll(from, addresses, { attempts: 5 })
  const silent = echoes.filter(({ roundTripMilliseconds }) => roundTripMilliseconds === undefined)
  assert.deepEqual(silent, [], `silent from ${from.name}`)
}

export async function assertNothingInClear(lab: Lab): Promise<void> {
  assert.deepEqual(await lab.leaks(), [])
  assert.equal((await lab.counts()).other.packets, 0)
}

/** A part of a story that says, when it fails, what the daemons said. For what fails too rarely to be looked at. */
export const withHistory = (mesh: Mesh, part: () => Promise<void>) => async (): Promise<void> => {
  try {
    await part()
  } catch (error) {
    throw new Error(`the daemons said:\n${mesh.history}`, { cause: error })
  }
}

/** A ping at 10/s that must not lose a packet. */
export async function steadyPing(from: Box, address: string): Promise<Pinger> {
  const pinger = new Pinger(from, address, 0.1)
  await pinger.nextAnswer(PATIENCE_MS)
  return pinger
}

export async function assertNoneLost(pinger: Pinger): Promise<PingRun> {
  // Right after an answer nothing is on its way.
  await pinger.nextAnswer(10_000)
  const run = await pinger.stop()
  assert.equal(run.sent - run.received, 0, `${run.sent - run.received} of ${run.sent} pings lost`)
  return run
}

/** Everything on a host that a daemon could have made or left, as text. */
export async function footprint(host: LabHost): Promise<string> {
  const { stdout } = await host.sh(
    [
      'ip -o link show | cut -d" " -f2 | grep -v eth',
      'ip rule; ip -6 rule',
      'ip route show table all | grep -w 180 || true',
      'ip -6 route show table all | grep -w 180 || true',
      'nft list ruleset',
      'ls /run/wireguard',
    ].join('\n'),
  )
  return stdout
}

/** Another placement than the one by default. */
export const ELSEWHERE = { linkName: 'mesh0', routingTable: 181, rulePriority: 32400, nftTable: 'mesh' }

/** What has a name or a number of a placement, as text. */
export async function namesOn(host: LabHost): Promise<string> {
  const { stdout } = await host.sh(
    'ip -o link show; ip rule; ip -6 rule; ip route show table all; nft list tables',
  )
  return stdout
}

/** In that: anything of the placement by default. */
export const OF_THE_DEFAULT = /kubespan|openspan|lookup 180|table 180/
