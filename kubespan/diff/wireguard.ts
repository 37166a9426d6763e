import { type AddressPort, type Prefix, splitAddressPort, zoneOf } from '../../shared/net/address.ts'
import { KEEPALIVE_SECONDS } from '../model/constants.ts'
import type { DesiredPeer, DesiredState, Placement } from '../model/desired.ts'
import type { PublicKey, WireGuardPeer, WireGuardView } from '../model/peer.ts'
import type { Change } from './change.ts'

/** What is wrong with the device itself; only that is set. */
export interface InterfaceChange {
  readonly privateKey?: true
  readonly listenPort?: number
  readonly fwmark?: number
}

export type PeerReason = 'new' | 'preshared key' | 'keepalive' | 'allowed ips' | 'endpoint'

export interface PeerChange {
  readonly peer: DesiredPeer
  readonly reasons: readonly PeerReason[]
  /** Nobody knows yet where it is, so it is sent no keepalives. */
  readonly isNowhere?: boolean
}

export interface WireGuardDiff {
  /** Undefined when the device is as it should be. */
  readonly device: InterfaceChange | undefined
  /** New peers and changed ones, in the order in which they are to be written. */
  readonly set: readonly PeerChange[]
  readonly remove: readonly PublicKey[]
  /** Peers whose key WireGuard refuses, or takes without adding a peer: they are left out. */
  readonly ignored: readonly PublicKey[]
}

/** A device that was just made. */
export const NEW_DEVICE: WireGuardView = {
  publicKey: undefined,
  listenPort: 0,
  fwmark: 0,
  peers: new Map(),
}

/**
 * What makes the device what it should be. Unchanged peers are not touched, and neither is the endpoint of one that
 * has no desired endpoint: it may have roamed there. While the state is provisional a peer of our key and our cluster that
 * is not among those `planned` so far is of an earlier run, and stays: nobody has said that it is gone.
 */
export function diffWireGuard(
  { placement, peers, isProvisional = false }: Pick<DesiredState, 'placement' | 'peers' | 'isProvisional'>,
  ownKey: PublicKey,
  view: WireGuardView,
  planned: ReadonlySet<PublicKey> = new Set(),
): WireGuardDiff {
  const isUsable = ({ publicKey }: DesiredPeer): boolean => publicKey !== ownKey && isKey(publicKey)
  const wanted = peers.filter(isUsable)
  const wantedKeys = new Set(wanted.map(({ publicKey }) => publicKey))
  const set = wanted.flatMap((peer) => {
    const found = view.peers.get(peer.publicKey)
    const isNowhere = endpointOf(peer) === undefined && found?.endpoint === undefined
    const reasons = peerReasons(peer, found, keepaliveSeconds(isNowhere))
    return reasons.length === 0 ? [] : [{ peer, reasons, isNowhere }]
  })
  const mayStay = isProvisional && view.publicKey === ownKey
  const isLeftStanding = ({ publicKey, hasPresharedKey }: WireGuardPeer): boolean =>
    mayStay && hasPresharedKey && !planned.has(publicKey)
  return {
    device: diffDevice(placement, ownKey, view),
    set: takersFirst(set, view),
    remove: [...view.peers.values()]
      .filter((peer) => !wantedKeys.has(peer.publicKey) && !isLeftStanding(peer))
      .map(({ publicKey }) => publicKey),
    ignored: peers.filter((peer) => !isUsable(peer)).map(({ publicKey }) => publicKey),
  }
}

const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/
/** Of no use to anybody, and WireGuard drops a peer with it without a word. */
const ZERO_KEY = `${'A'.repeat(43)}=`
const isKey = (publicKey: PublicKey): boolean => KEY.test(publicKey) && publicKey !== ZERO_KEY

function diffDevice(
  { listenPort, wireguardFwmark }: Placement,
  ownKey: PublicKey,
  view: WireGuardView,
): InterfaceChange | undefined {
  const change: InterfaceChange = {
    ...(view.publicKey === ownKey ? {} : { privateKey: true }),
    ...(view.listenPort === listenPort ? {} : { listenPort }),
    ...(view.fwmark === wireguardFwmark ? {} : { fwmark: wireguardFwmark }),
  }
  return Object.keys(change).length === 0 ? undefined : change
}

/**
 * A keepalive begins a handshake. One that has nowhere to go counts as sent all the same, and WireGuard makes no other for 5 s, not
 * even when it is told where the peer is.
 */
const keepaliveSeconds = (isNowhere: boolean): number => (isNowhere ? 0 : KEEPALIVE_SECONDS)

function peerReasons(peer: DesiredPeer, found: WireGuardPeer | undefined, keepalive: number): PeerReason[] {
  if (found === undefined) return ['new']
  const reasons: PeerReason[] = []
  if (!found.hasPresharedKey) reasons.push('preshared key')
  if (found.keepaliveSeconds !== keepalive) reasons.push('keepalive')
  if (!samePrefixes(peer.allowedIps, found.allowedIps)) reasons.push('allowed ips')
  const endpoint = endpointOf(peer)
  if (endpoint !== undefined && endpoint !== found.endpoint) reasons.push('endpoint')
  return reasons
}

/** A zone is a link of the machine that wrote it; `wg` refuses a whole configuration for one that it does not know. */
const endpointOf = ({ endpoint }: DesiredPeer): AddressPort | undefined =>
  endpoint === undefined || zoneOf(splitAddressPort(endpoint).address) !== '' ? undefined : endpoint

function samePrefixes(wanted: readonly Prefix[], found: readonly Prefix[]): boolean {
  if (wanted.length !== found.length) return false
  const have = new Set(found)
  return wanted.every((prefix) => have.has(prefix))
}

/**
 * An allowed IP belongs to one peer, and giving it to another takes it from the first. So peers that lose nothing come
 * first: what moves to them is never without an owner, as it would be if the old one were written before.
 */
function takersFirst(changes: readonly PeerChange[], view: WireGuardView): PeerChange[] {
  const loses = ({ peer }: PeerChange): number => {
    const kept = new Set(peer.allowedIps)
    const had = view.peers.get(peer.publicKey)?.allowedIps ?? []
    return had.some((prefix) => !kept.has(prefix)) ? 1 : 0
  }
  return changes.toSorted((a, b) => loses(a) - loses(b))
}

/**
 * Input of `wg addconf`. A [Peer] section replaces the allowed IPs of that peer, so it names them all; other peers and
 * the device stay as they are. Holds the preshared key: for standard input only.
 */
export function peersConfig(changes: readonly PeerChange[], presharedKey: string): string {
  return changes
    .map(({ peer, isNowhere = false }) => {
      const endpoint = endpointOf(peer)
      return [
        '[Peer]',
        `PublicKey = ${peer.publicKey}`,
        `PresharedKey = ${presharedKey}`,
        `PersistentKeepalive = ${keepaliveSeconds(isNowhere)}`,
        ...(peer.allowedIps.length === 0 ? [] : [`AllowedIPs = ${peer.allowedIps.join(', ')}`]),
        ...(endpoint === undefined ? [] : [`Endpoint = ${endpoint}`]),
        '',
      ].join('\n')
    })
    .join('')
}

/** Arguments of `wg`; with a private key, that is its standard input. */
export function deviceArguments(linkName: string, change: InterfaceChange): string[] {
  return [
    ...['set', linkName],
    ...(change.listenPort === undefined ? [] : ['listen-port', `${change.listenPort}`]),
    ...(change.fwmark === undefined ? [] : ['fwmark', `0x${change.fwmark.toString(16)}`]),
    ...(change.privateKey === undefined ? [] : ['private-key', '/dev/stdin']),
  ]
}

export const removalArguments = (linkName: string, keys: readonly PublicKey[]): string[] => [
  ...['set', linkName],
  ...keys.flatMap((publicKey) => ['peer', publicKey, 'remove']),
]

export function describeWireGuardDiff({ device, set, remove }: WireGuardDiff): Change[] {
  return [
    ...(device === undefined
      ? []
      : [{ action: 'change', what: 'device', reason: Object.keys(device).join(', ') } as const]),
    ...set.map(({ peer, reasons }): Change => {
      const isNew = reasons.includes('new')
      return { action: isNew ? 'add' : 'change', what: `peer ${peer.publicKey}`, reason: reasons.join(', ') }
    }),
    ...remove.map(
      (publicKey) =>
        ({ action: 'remove', what: `peer ${publicKey}`, reason: 'not wanted any more' }) as const,
    ),
  ]
}
