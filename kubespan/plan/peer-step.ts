import type { Instant } from '../../shared/clock.ts'
import type { AddressPort } from '../../shared/net/address.ts'
import type { PeerCounters, PeerSpec, PeerStatus, PublicKey, WireGuardPeer } from '../model/peer.ts'
import { chooseEndpoint } from './endpoint-order.ts'
import { judgePeer, mustChangeEndpoint, type PeerTiming } from './peer-state.ts'

export interface PeerStep {
  readonly spec: PeerSpec
  /** What the last step remembered; undefined for a peer met for the first time. */
  readonly status: PeerStatus | undefined
  /** Undefined when WireGuard does not have the peer. */
  readonly view: WireGuardPeer | undefined
  readonly now: Instant
  readonly timing: PeerTiming
}

export interface PeerStepResult {
  /** To be remembered once `endpoint`, if any, has been written. */
  readonly status: PeerStatus
  /** The endpoint to give to WireGuard; undefined leaves the one it has. */
  readonly endpoint: AddressPort | undefined
}

/**
 * One look at one peer: what it is now, and which endpoint to write (SPEC 6.2 to 6.4).
 *
 *     not in WireGuard      the endpoint that worked last, else the first candidate
 *     up                    nothing, whoever set its endpoint (SPEC 9, N4): a restarted daemon adopts live sessions
 *     down or never tried   the next candidate, and a new trial begins
 *     else                  nothing, but an endpoint that WireGuard lost is given back
 */
export function stepPeer({ spec, status, view, now, timing }: PeerStep): PeerStepResult {
  const seen = look(spec, status, view, now)
  if (view === undefined && status?.endpoint !== undefined) return begin(seen, status.endpoint, now)

  const state = judgePeer(seen, now, timing)
  const judged = { ...seen, state, notUpSince: state === 'up' ? undefined : (status?.notUpSince ?? now) }
  if (state === 'up') return { status: judged, endpoint: undefined }

  if (mustChangeEndpoint(state, seen.lastUsedEndpoint)) {
    const next = chooseEndpoint({
      candidates: spec.endpoints,
      lastUsedEndpoint: seen.lastUsedEndpoint,
      observedEndpoint: seen.endpoint,
    })
    if (next !== undefined) return begin(judged, next, now)
  }
  if (seen.endpoint !== undefined) return { status: judged, endpoint: undefined }
  return { status: { ...judged, endpoint: seen.lastUsedEndpoint }, endpoint: seen.lastUsedEndpoint }
}

const begin = (status: PeerStatus, endpoint: AddressPort, now: Instant): PeerStepResult => ({
  status: {
    ...status,
    state: 'unknown',
    endpoint,
    lastUsedEndpoint: endpoint,
    lastEndpointChangeAt: now,
    notUpSince: status.notUpSince ?? now,
  },
  endpoint,
})

/** Brings memory and observation together; the state is still the old one. */
function look(
  spec: PeerSpec,
  status: PeerStatus | undefined,
  view: WireGuardPeer | undefined,
  now: Instant,
): PeerStatus {
  const lastHandshakeAt = handshakeAt(status, view, now)
  const counters: PeerCounters = {
    receiveBytes: view?.receiveBytes ?? 0,
    transmitBytes: view?.transmitBytes ?? 0,
  }
  const received = growth(counters.receiveBytes, status?.counters.receiveBytes)
  return {
    label: spec.label,
    state: status?.state ?? 'unknown',
    endpoint: view?.endpoint,
    lastUsedEndpoint: status?.lastUsedEndpoint,
    lastEndpointChangeAt: status?.lastEndpointChangeAt,
    lastHandshakeAt,
    lastHandshakeStamp: view?.lastHandshakeStamp,
    // Bytes found at the first look came at an unknown time, but a handshake is bytes too.
    lastReceiveAt: status === undefined ? lastHandshakeAt : received > 0 ? now : status.lastReceiveAt,
    notUpSince: status?.notUpSince,
    observedAt: now,
    receiveBytes: (status?.receiveBytes ?? 0) + received,
    transmitBytes:
      (status?.transmitBytes ?? 0) + growth(counters.transmitBytes, status?.counters.transmitBytes),
    counters,
  }
}

/** WireGuard's counters begin anew when a peer is removed and added; what they show then has all been counted since. */
const growth = (counter: number, before = 0): number => (counter < before ? counter : counter - before)

/**
 * When the last handshake was, on our clock. WireGuard stamps it with wall time in whole seconds; both the rounding and
 * jumps of the wall clock would date it wrongly (SPEC 9, N10). So a stamp that did not change is the handshake we
 * know, and one that did belongs to a handshake since the last look.
 */
function handshakeAt(
  status: PeerStatus | undefined,
  view: WireGuardPeer | undefined,
  now: Instant,
): Instant | undefined {
  if (view?.lastHandshakeStamp === undefined) return undefined
  if (view.lastHandshakeStamp === status?.lastHandshakeStamp) return status.lastHandshakeAt
  const converted = Math.min(view.lastHandshakeAt ?? now, now)
  // An endpoint may have been set at the last look, and this handshake is to count as later than that.
  return status === undefined ? converted : Math.max(converted, status.observedAt + 1)
}

export interface PeersStepResult {
  /** Of the peers that have a spec; memory of all others is gone. */
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
}

/** `stepPeer` for every spec. `views` is empty when the device does not exist yet. */
export function stepPeers(
  specs: readonly PeerSpec[],
  memory: ReadonlyMap<PublicKey, PeerStatus>,
  views: ReadonlyMap<PublicKey, WireGuardPeer>,
  now: Instant,
  timing: PeerTiming,
): PeersStepResult {
  const statuses = new Map<PublicKey, PeerStatus>()
  const endpoints = new Map<PublicKey, AddressPort>()
  for (const spec of specs) {
    const key = spec.publicKey
    const step = stepPeer({ spec, status: memory.get(key), view: views.get(key), now, timing })
    statuses.set(key, step.status)
    if (step.endpoint !== undefined) endpoints.set(key, step.endpoint)
  }
  return { statuses, endpoints }
}
