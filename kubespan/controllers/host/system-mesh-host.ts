import { ULA_PURPOSE, ulaAddress, ulaPrefix } from '../../../shared/identity/ula.ts'
import { cleanUp, removeGuards, removeLink } from '../../apply/cleanup.ts'
import { deafen } from '../../apply/deaf-chain.ts'
import { applyDesiredState } from '../../apply/desired-state.ts'
import { NftTableKeeper } from '../../apply/nftables.ts'
import { RefusedPeers } from '../../apply/refused-peers.ts'
import { kickPeers, removePeers, setEndpoints } from '../../apply/wireguard.ts'
import type { Host } from '../../host/host.ts'
import type { Identity } from '../../model/identity.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PublicKey, WireGuardView } from '../../model/peer.ts'
import type { PlacementStore } from '../../model/placement-store.ts'
import type { Settings } from '../../model/settings.ts'
import { chooseMac, macOfNodeId } from '../../plan/self/choose-mac.ts'
import { loadAddressSource, saveAddressSource } from '../../sources/address-source.ts'
import { observeUplinks, parseLinks, showAddresses } from '../../sources/addresses.ts'
import { loadAffiliates, saveAffiliates } from '../../sources/affiliate-cache.ts'
import { askByEcho } from '../../sources/echo.ts'
import { systemHostName } from '../../sources/host-name.ts'
import { loadOrCreateKeys, loadOrCreateNodeId } from '../../sources/identity-file.ts'
import { loadPaths, savePaths } from '../../sources/path-memory.ts'
import {
  loadPlacements,
  type PlacementOwner,
  savePlacements,
  systemBootId,
} from '../../sources/placement-memory.ts'
import type { Resolver } from '../../sources/resolver.ts'
import { observeSurroundings, showRoutes } from '../../sources/surroundings.ts'
import { DumpMemo, observeWireGuard } from '../../sources/wireguard.ts'
import type { MeshHost } from '../mesh-host.ts'
import { ChainWatch } from './chain-watch.ts'

export interface SystemMeshHost extends MeshHost, Disposable {
  /** Numbers of tables of others that decide, as of the last comparison, whether packets for the mesh are led elsewhere. */
  readonly detourTables: ReadonlySet<number>
  /** Somebody has changed an nft table of theirs. */
  strangersChanged(): void
  /** Somebody has removed our nft table: writes it as it was, before a pass looks at everything. */
  restoreTable(): Promise<void>
}

/**
 * The real host, through its tools and the files of the state directory. `onChange` when others lead packets for the mesh elsewhere in
 * another way than before.
 */
export function createMeshHost(host: Host, resolver: Resolver, onChange: () => void): SystemMeshHost {
  let view: WireGuardView | undefined
  let shown: string | undefined
  let addresses: string | undefined
  let routes: string | undefined
  const refusals = new RefusedPeers(host.clock)
  const nftTable = new NftTableKeeper()
  const strangers = new ChainWatch(host, onChange)
  const lastDump = new DumpMemo()
  const planned = new Set<PublicKey>()
  const often: Pick<Host, 'clock' | 'run'> = {
    clock: host.clock,
    run: (tool, args) => host.runOften(tool, args),
  }
  let detourTables: ReadonlySet<number> = new Set()
  return {
    get detourTables() {
      return detourTables
    },
    strangersChanged: () => strangers.changed(),
    [Symbol.dispose]: () => strangers[Symbol.dispose](),
    restoreTable: () => nftTable.restore(host),
    identity: (settings, links) => loadIdentity(settings, links),
    giveAddressUp: ({ node }) => saveAddressSource(node.stateDirectory, 'node id'),
    hostName: systemHostName,
    async links() {
      const [text, uplinks] = await Promise.all([showAddresses(host), observeUplinks(host)])
      shown = text
      return parseLinks(text, uplinks)
    },
    async surroundings({ placement }, mustAskRoutes) {
      if (mustAskRoutes || routes === undefined) routes = await showRoutes(host)
      return await observeSurroundings(host, routes, placement.linkName)
    },
    affiliates: {
      load: async ({ cluster, node }) =>
        cluster === undefined ? [] : await loadAffiliates(cachePath(node), cluster.key, host.clock.wall()),
      save: async ({ cluster, node }, entries) =>
        await (cluster && saveAffiliates(cachePath(node), cluster.key, entries)),
    },
    paths: {
      load: ({ node }) => loadPaths(`${node.stateDirectory}/paths.json`),
      save: ({ node }, paths) => savePaths(`${node.stateDirectory}/paths.json`, paths),
    },
    placements: placementStore,
    addressesOf: (names, isPressing) => resolver.addressesOf(names, isPressing),
    echo: (addresses) => askByEcho(host, addresses),
    deafen: (placement, sources) => deafen(host, placement, sources),
    async wireguard({ placement, cluster }) {
      // A pass looks at the links, if at all, before it looks at WireGuard.
      addresses = shown
      shown = undefined
      view = await observeWireGuard(often, placement.linkName, cluster?.key.presharedKey(), lastDump)
      return view
    },
    async apply(desired, identity, { cluster, node }) {
      const { privateKey, publicKey } = identity
      const secrets = { privateKey, publicKey, presharedKey: cluster?.key.presharedKey() ?? '' }
      if (desired.isProvisional !== true) planned.clear()
      for (const peer of desired.peers) planned.add(peer.publicKey)
      const chains = await strangers.chains(desired.placement.nftTable)
      const { link, wireguard, count, warnings, detours, ...report } = await applyDesiredState(
        host,
        desired,
        secrets,
        { ...{ view, addresses, refusals, nftTable, planned, chains }, implementation: node.wireguard },
      )
      detourTables = report.detourTables
      // Sets, rules and addresses of peers that are there cause nothing that we would have to see.
      const isUnsettled =
        link.length > 0 || wireguard.some(({ action, what }) => action === 'add' || what === 'device')
      return {
        changes: count,
        isUnsettled,
        warnings,
        detours: detours.map(({ what }) => what),
        strayPackets: report.strayPackets,
        hasMendedWays: report.nftables.length + report.routing.length > 0,
      }
    },
    async resetPeers({ linkName }, keys) {
      await removePeers(host, linkName, keys)
      const peers = new Map([...(view?.peers ?? [])].filter(([key]) => !keys.includes(key)))
      if (view !== undefined) view = { ...view, peers }
    },
    setEndpoints: ({ linkName }, endpoints) => setEndpoints(host, linkName, endpoints),
    kickPeers: ({ linkName }, keys) => kickPeers(host, linkName, keys),
    removeLink: async ({ linkName }) => (await removeLink(host, linkName)).changes.length > 0,
    async removeGuards(placement, successor) {
      await removeGuards(host, placement, successor)
    },
    async takeBack(placement) {
      nftTable.forget()
      await cleanUp(host, placement)
    },
  }
}

/** Where every daemon of this host keeps what it made, and who has none running takes it from. */
export const placementStore: PlacementStore = {
  load: async ({ node }) => await loadPlacements(placementPath(node), await ownerOf(node)),
  save: async ({ node }, placements) =>
    await savePlacements(placementPath(node), await ownerOf(node), placements),
}

const ownerOf = async ({ runDirectory }: Settings['node']): Promise<PlacementOwner> => ({
  bootId: await systemBootId(),
  runDirectory,
})

const placementPath = ({ stateDirectory }: Settings['node']): string => `${stateDirectory}/placement.json`

const cachePath = ({ stateDirectory }: Settings['node']): string => `${stateDirectory}/affiliates.cache`

/**
 * Who this node is: id and keys from files that are made once, address from the cluster id and a hardware address as both
 * are now (SPEC 9, N12); from the node id where there is none, or another node had the same. Keys are made when KubeSpan is first enabled.
 */
export async function loadIdentity(
  { enabled, node, cluster }: Settings,
  links: readonly ObservedLink[],
): Promise<Identity> {
  const nodeId = await loadOrCreateNodeId(node.stateDirectory)
  const keys = enabled ? await loadOrCreateKeys(node.stateDirectory) : { privateKey: '', publicKey: '' }
  const subnet = ulaPrefix(cluster?.id ?? '', ULA_PURPOSE.kubespan)
  const hardware = (await loadAddressSource(node.stateDirectory)) === 'node id' ? undefined : chooseMac(links)
  const made = [hardware, macOfNodeId(nodeId)].map((mac) =>
    mac === undefined ? undefined : ulaAddress(subnet, mac),
  )
  const address = made.find((candidate) => candidate !== undefined)
  if (address === undefined)
    throw new Error('no mesh address can be made: no hardware address, and the node id is too short')
  return { nodeId, ...keys, subnet, address, isMadeOfHardwareAddress: made[0] !== undefined }
}
