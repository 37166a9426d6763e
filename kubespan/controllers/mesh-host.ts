import type { Address, AddressPort } from '../../shared/net/address.ts'
import type { DesiredState, Placement } from '../model/desired.ts'
import type { Identity } from '../model/identity.ts'
import type { ObservedLink } from '../model/observed.ts'
import type { PublicKey, WireGuardView } from '../model/peer.ts'
import type { PlacementStore } from '../model/placement-store.ts'
import type { Settings } from '../model/settings.ts'
import type { Surroundings } from '../model/surroundings.ts'
import type { CachedAffiliate } from '../sources/affiliate-cache.ts'
import type { EchoAnswers } from '../sources/echo.ts'
import type { StoredPaths } from '../sources/path-memory.ts'

/** Where the last known affiliates are kept across restarts. */
export interface AffiliateStore {
  load(settings: Settings): Promise<readonly CachedAffiliate[]>
  save(settings: Settings, entries: readonly CachedAffiliate[]): Promise<void>
}

/** Where the paths that worked are kept across restarts. */
export interface PathStore {
  load(settings: Settings): Promise<StoredPaths>
  save(settings: Settings, paths: StoredPaths): Promise<void>
}

/** The host as a pass sees it: look, and bring in line. */
export interface MeshHost {
  /** The identity of this node, made when there is none yet. */
  identity(settings: Settings, links: readonly ObservedLink[]): Promise<Identity>
  /** From now on the address is made of the node id, also after a restart: another node has the one of our network card. */
  giveAddressUp(settings: Settings): Promise<void>
  links(): Promise<readonly ObservedLink[]>
  /** What is local to this host; with routes as they are, or as they were the last time. */
  surroundings(settings: Settings, mustAskRoutes: boolean): Promise<Surroundings>
  /** What this host is called now; absent where it cannot be asked. */
  hostName?(): string
  readonly affiliates: AffiliateStore
  readonly paths: PathStore
  readonly placements: PlacementStore
  /** Addresses of names, as far as they are known by now; asked for anew when somebody cannot connect. */
  addressesOf(names: readonly string[], isPressing: boolean): ReadonlyMap<string, readonly Address[]>
  /** Who of these answers an echo; undefined where they cannot be asked. */
  echo(addresses: readonly Address[]): Promise<EchoAnswers | undefined>
  /** Drops what arrives for WireGuard from these sources, for a few seconds at most; of none, takes that back. */
  deafen(placement: Placement, sources: readonly AddressPort[]): Promise<void>
  /** Undefined while there is no WireGuard link. */
  wireguard(settings: Settings): Promise<WireGuardView | undefined>
  /** Removes peers, so that the next apply adds them anew. */
  resetPeers(placement: Placement, keys: readonly PublicKey[]): Promise<void>
  setEndpoints(placement: Placement, endpoints: ReadonlyMap<PublicKey, AddressPort>): Promise<void>
  /** Makes WireGuard send handshakes to peers without a session. */
  kickPeers(placement: Placement, keys: readonly PublicKey[]): Promise<void>
  apply(desired: DesiredState, identity: Identity, settings: Settings): Promise<ApplyOutcome>
  /** Removes the link of this placement, and leaves what keeps its packets in. False when there was none. */
  removeLink(placement: Placement): Promise<boolean>
  /** Removes just that, but for what is in use under `successor`. */
  removeGuards(placement: Placement, successor: Placement): Promise<void>
  /** Takes back everything that was made under this placement. */
  takeBack(placement: Placement): Promise<void>
}

export interface ApplyOutcome {
  /** How many things were changed on the host; 0 when it was as it should be. */
  readonly changes: number
  /** What was changed causes more, as a link that came up or a peer that is called; by default everything does. */
  readonly isUnsettled?: boolean
  readonly warnings: readonly string[]
  /** Rules, routes and chains of others that lead packets for the mesh elsewhere, in words; in the warnings as well. */
  readonly detours?: readonly string[]
  /** Packets for the mesh that our table has dropped since it is there; undefined when it was not. */
  readonly strayPackets?: number | undefined
  /** Whether rules, routes or chains of ours had to be written, so that packets may have strayed without them. */
  readonly hasMendedWays?: boolean
}
