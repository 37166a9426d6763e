import { describeChainDetours, type StrangeChains } from '../diff/chain-detours.ts'
import type { Change } from '../diff/change.ts'
import type { Detour } from '../diff/detours.ts'
import { holdRouted } from '../diff/hold-routed.ts'
import { diffRouting, isGuard, planRouting } from '../diff/routing.ts'
import { describeWireGuardDiff, diffWireGuard, NEW_DEVICE } from '../diff/wireguard.ts'
import type { Host } from '../host/host.ts'
import { STRAYS_COUNTER } from '../model/constants.ts'
import type { DesiredState } from '../model/desired.ts'
import type { PublicKey, WireGuardView } from '../model/peer.ts'
import { observeDetours } from './detours.ts'
import {
  applyLink,
  createLink,
  describeOtherKind,
  findLink,
  observeLink,
  type WireGuardImplementation,
} from './link.ts'
import { NftTableKeeper, observeNftTable } from './nftables.ts'
import { RefusedPeers } from './refused-peers.ts'
import { applyRouting, observeFamilies, observeRouting } from './routing.ts'
import { applyDevice, applyPeers, type MeshSecrets, removePeers } from './wireguard.ts'

export interface ApplyOptions {
  /** The device as it was just observed; undefined when there is none. */
  readonly view: WireGuardView | undefined
  /** What `ip` has just said of all links, where it was asked; else it is asked for ours. */
  readonly addresses?: string | undefined
  readonly implementation?: WireGuardImplementation
  /** What is remembered of peers that were refused; by default nothing is. */
  readonly refusals?: RefusedPeers
  /** What is remembered of our table; without it, its rules are written anew. */
  readonly nftTable?: NftTableKeeper
  /** What of the chains of others may take packets of the mesh; by default nothing does. */
  readonly chains?: StrangeChains
  /** Whom this process has planned as a peer. Others, while the state is provisional, are of an earlier run. */
  readonly planned?: ReadonlySet<PublicKey>
}

/** What was done, by tool and in order. Nothing at all when the host was as it should be. */
export interface ApplyReport {
  readonly link: readonly Change[]
  readonly wireguard: readonly Change[]
  readonly nftables: readonly Change[]
  readonly routing: readonly Change[]
  /** How many changes that makes. */
  readonly count: number
  /** What cannot be mended from here. */
  readonly warnings: readonly string[]
  /** What others have put in the way of packets for the mesh; in the warnings as well. */
  readonly detours: readonly Detour[]
  /** Numbers of tables of others in which every change counts for that. */
  readonly detourTables: ReadonlySet<number>
  /** Packets for the mesh that our table has dropped since it is there; undefined when it was not. */
  readonly strayPackets: number | undefined
}

/** There is a link of our name, but it is not ours to use. */
export class LinkTakenError extends Error {
  override readonly name = 'LinkTakenError'

  constructor(linkName: string, kind: string | undefined) {
    super(
      `link ${linkName} exists (${kind ?? 'a device'}) but is no WireGuard link: ` +
        `remove it (ip link del ${linkName}) or configure another name`,
    )
  }
}

/**
 * Looks at the host, changes what is not as desired, and says what that was.
 *
 * The order keeps packets for the mesh inside it or lets them die: first the rules and the routes that refuse, then the
 * marks, then the link (with its own mark before it goes up), then the routes into it, then the peers. Whatever fails
 * is thrown, and what comes after it is not done.
 */
export async function applyDesiredState(
  host: Host,
  wanted: DesiredState,
  secrets: MeshSecrets,
  {
    view,
    addresses,
    implementation = 'auto',
    refusals = new RefusedPeers(host.clock),
    nftTable = new NftTableKeeper(),
    planned = new Set(),
    chains = { marks: [], pathFilters: [] },
  }: ApplyOptions,
): Promise<ApplyReport> {
  const { placement } = wanted
  const { linkName } = placement
  const families = await observeFamilies(host)
  const [found, foundRouting, foundTable] = await Promise.all([
    addresses === undefined ? observeLink(host, linkName) : findLink(addresses, linkName),
    observeRouting(host, placement, families),
    observeNftTable(host, placement.nftTable),
  ])
  if (found !== undefined && view === undefined) throw new LinkTakenError(linkName, found.kind)

  const desired = holdRouted(wanted, foundTable)
  const plan = planRouting(desired, families, foundRouting.stranded)
  const rerouting = diffRouting(plan, foundRouting)
  const routing = await applyRouting(host, placement, rerouting.filter(isGuard))
  const nftables = await nftTable.apply(host, desired, foundTable, view)

  const made = found === undefined ? [await createLink(host, linkName, implementation)] : []
  const link = found ?? (await observeLink(host, linkName))
  if (link === undefined) throw new Error(`link ${linkName} vanished as soon as it was made`)
  const device = found === undefined ? NEW_DEVICE : (view ?? NEW_DEVICE)
  const diff = diffWireGuard(desired, secrets.publicKey, device, planned)
  if (diff.device !== undefined) await applyDevice(host, linkName, diff.device, secrets)
  const settled = await applyLink(host, desired, link)

  // A link that was down or lost an address has lost its routes as well.
  const isLinkTouched = made.length + settled.changes.length > 0
  const rest = isLinkTouched
    ? diffRouting(plan, await observeRouting(host, placement, families))
    : rerouting.filter((change) => !isGuard(change))
  // Without IPv6 on the link the kernel refuses that route, and what is left there refuses packets.
  const possible = rest.filter(
    ({ route }) => settled.hasIpv6 || route?.dev === undefined || route.family === 4,
  )
  routing.push(...(await applyRouting(host, placement, possible)))
  const hasMovedRule = rerouting.some(({ rule }) => rule !== undefined)
  const { detours: ways, tables: detourTables } = await observeDetours(
    host,
    desired,
    hasMovedRule ? await observeRouting(host, placement, families) : foundRouting,
  )

  const detours = [...ways, ...describeChainDetours(chains, placement)]

  const known = refusals.among(diff.set)
  const hopeless = new Set(known.map(({ publicKey }) => publicKey))
  const hopeful = diff.set.filter(({ peer }) => !hopeless.has(peer.publicKey))
  const fresh = await applyPeers(host, linkName, hopeful, secrets)
  refusals.note(fresh, hopeful)
  const refused = [...known, ...fresh]
  await removePeers(host, linkName, diff.remove)

  const otherKind = describeOtherKind(link, linkName, implementation)
  const linkChanges = [...made, ...settled.changes]
  const refusedKeys = new Set(refused.map(({ publicKey }) => publicKey))
  const wireguard = describeWireGuardDiff({
    ...diff,
    set: diff.set.filter(({ peer }) => !refusedKeys.has(peer.publicKey)),
  })
  return {
    link: linkChanges,
    wireguard,
    nftables,
    routing,
    count: linkChanges.length + wireguard.length + nftables.length + routing.length,
    detours,
    detourTables,
    strayPackets: foundTable?.counters.get(STRAYS_COUNTER),
    warnings: [
      ...detours.map(({ what, mend }) => `${what}; to mend it: ${mend}`),
      ...settled.warnings,
      ...(otherKind === undefined ? [] : [otherKind]),
      ...diff.ignored.map((publicKey) => `peer ${publicKey}: WireGuard does not take this key`),
      ...refused.map(({ publicKey, error }) => `peer ${publicKey}: ${error.message}`),
    ],
  }
}
