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
 * link with its wireguard-go, and the socket. Files stay.
 */
export async function cleanUp(host: Host, placement: Placement): Promise<CleanupReport> {
  const guards = await removeGuards(host, placement)
  const link = await removeLink(host, placement.linkName)
  return { ...link, changes: [...guards, ...link.changes] }
}

/**
 * Takes back what leads packets to the link, and keeps them in when it is gone: marks, rules and routes, but for what a
 * successor uses under the same names. Marks go first: a packet with one, and no route for it, would be lost.
 */
export async function removeGuards(
  host: Host,
  placement: Placement,
  successor?: Placement,
): Promise<readonly Change[]> {
  const { nftTable, routingTable } = placement
  const changes: Change[] = []
  if (nftTable !== successor?.nftTable && (await observeNftTable(host, nftTable)) !== undefined) {
    await host.run('nft', ['delete', 'table', 'inet', nftTable])
    changes.push(removed(`table inet ${nftTable}`))
  }

  const routing = await observeRouting(host, placement, await observeFamilies(host))
  const left = {
    rules: successor !== undefined && haveSameRules(placement, successor) ? [] : routing.rules,
    routes: routingTable === successor?.routingTable ? [] : routing.routes,
  }
  changes.push(...(await applyRouting(host, placement, diffRouting({ rules: [], routes: [] }, left))))
  return changes
}

/** Whether a rule of one is taken for one of the other. */
const haveSameRules = (one: Placement, other: Placement): boolean =>
  one.routeFwmark === other.routeFwmark &&
  one.fwmarkMask === other.fwmarkMask &&
  one.routingTable === other.routingTable

/** The link with its wireguard-go, and the socket that one leaves which was killed. */
export async function removeLink(host: Host, linkName: string): Promise<CleanupReport> {
  if ((await observeLink(host, linkName)) === undefined) {
    // wireguard-go takes its socket along when it ends; one that was killed cannot.
    if (!(await host.hasSocket(linkName))) return { changes: [], warnings: [] }
    await host.removeSocket(linkName)
    return { changes: [removed(`socket of ${linkName}`)], warnings: [] }
  }
  if (!(await isWireGuard(host, linkName)))
    return { changes: [], warnings: [`link ${linkName} is no WireGuard link and was left alone`] }
  await host.run('ip', ['link', 'del', 'dev', linkName])
  await untilSocketIsGone(host, linkName)
  return { changes: [removed(`link ${linkName}`)], warnings: [] }
}

const removed = (what: string): Change => ({ action: 'remove', what, reason: 'not wanted any more' })

/** wireguard-go ends with its link, but not in the same moment. */
async function untilSocketIsGone(host: Host, linkName: string): Promise<void> {
  const deadline = host.clock.now() + END_LIMIT
  while ((await host.hasSocket(linkName)) && host.clock.now() < deadline)
    await new Promise<void>((wake) => void host.clock.after(END_LOOK_EVERY, wake))
}
