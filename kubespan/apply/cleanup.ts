import type { Milliseconds } from '../../shared/clock.ts'
import type { Change } from '../diff/change.ts'
import { diffRouting } from '../diff/routing.ts'
import type { Host } from '../host/host.ts'
import type { Placement } from '../model/desired.ts'
import { isWireGuard, observeLink } from './link.ts'
import { observeNftTable } from './nftables.ts'
import { applyRouting, observeFamilies, observeRouting } from './routing.ts'

const END_LIMIT: Milliseconds = 2_000
const END_LOOK_EVERY: Milliseconds = 10

export interface CleanupReport {
  /** Nothing when there was nothing of ours, or nothing any more. */
  readonly changes: readonly Change[]
  readonly warnings: readonly string[]
}

/**
 * Takes back all that a daemon with this placement made, or left behind when it was killed: marks, rules, routes, the
 * link with its wireguard-go, and the socket. Files stay. Marks go first: a packet with one, and no route for it, would
 * be lost.
 */
export async function cleanUp(host: Host, placement: Placement): Promise<CleanupReport> {
  const { linkName, nftTable } = placement
  const changes: Change[] = []
  const warnings: string[] = []
  const removed = (what: string): void =>
    void changes.push({ action: 'remove', what, reason: 'not wanted any more' })

  if ((await observeNftTable(host, nftTable)) !== undefined) {
    await host.run('nft', ['delete', 'table', 'inet', nftTable])
    removed(`table inet ${nftTable}`)
  }

  const routing = await observeRouting(host, placement, await observeFamilies(host))
  changes.push(...(await applyRouting(host, placement, diffRouting({ rules: [], routes: [] }, routing))))

  if ((await observeLink(host, linkName)) === undefined) await removeDeadSocket()
  else if (await isWireGuard(host, linkName)) {
    await host.run('ip', ['link', 'del', 'dev', linkName])
    removed(`link ${linkName}`)
    await untilSocketIsGone(host, linkName)
  } else warnings.push(`link ${linkName} is no WireGuard link and was left alone`)
  return { changes, warnings }

  /** wireguard-go takes its socket along when it ends; one that was killed cannot. */
  async function removeDeadSocket(): Promise<void> {
    if (!(await host.hasSocket(linkName))) return
    await host.removeSocket(linkName)
    removed(`socket of ${linkName}`)
  }
}

/** wireguard-go ends with its link, but not in the same moment. */
async function untilSocketIsGone(host: Host, linkName: string): Promise<void> {
  const deadline = host.clock.now() + END_LIMIT
  while ((await host.hasSocket(linkName)) && host.clock.now() < deadline)
    await new Promise<void>((wake) => void host.clock.after(END_LOOK_EVERY, wake))
}
