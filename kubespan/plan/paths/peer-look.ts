import type { Instant } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { PeerCounters, PeerSpec, PeerStatus, WireGuardPeer } from '../../model/peer.ts'
import { judgePeer, type PeerTiming } from './peer-state.ts'

export interface PeerLook {
  readonly spec: PeerSpec
  /** What the last look remembered; undefined for a peer met for the first time. */
  readonly status: PeerStatus | undefined
  /** Undefined when WireGuard does not have the peer. */
  readonly view: WireGuardPeer | undefined
  readonly now: Instant
}

/** No peer is on this host: an endpoint that points back at it is a relay of a race. */
export const isRelay = (endpoint: AddressPort | undefined): boolean =>
  endpoint !== undefined && LOOPBACK.test(endpoint)

/** 127.0.0.0/8, also inside IPv6, and ::1, in canonical text. */
const LOOPBACK = /^(?:127\.|\[::1[\]%]|\[::ffff:127\.)/

/** What was seen, with the state that it means; the same value when it had that state before. */
export function judgeSeen(seen: PeerStatus, now: Instant, timing: PeerTiming): PeerStatus {
  const state = judgePeer(seen, now, timing)
  const notUpSince = state === 'up' ? undefined : (seen.notUpSince ?? now)
  return state === seen.state && notUpSince === seen.notUpSince ? seen : { ...seen, state, notUpSince }
}

/** Brings memory and observation together; the state is still the old one. The same value when nothing new was seen. */
export function lookAtPeer({ spec, status, view, now }: PeerLook): PeerStatus {
  if (status !== undefined && view !== undefined && isAsBefore(spec, status, view)) return status
  const lastHandshakeAt = handshakeAt(status, view, now)
  const counters: PeerCounters = {
    receiveBytes: view?.receiveBytes ?? 0,
    transmitBytes: view?.transmitBytes ?? 0,
  }
  const received = growth(counters.receiveBytes, status?.counters.receiveBytes)
  return {
    label: spec.label,
    state: status?.state ?? 'unknown',
    // While a race has the peer on a relay, where it was last heard is still the best clue to where it is.
    endpoint: isRelay(view?.endpoint) ? status?.endpoint : view?.endpoint,
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
    // What we write while we look for it is no place where it was.
    heardFrom: (received > 0 && !isRelay(view?.endpoint) ? view?.endpoint : undefined) ?? status?.heardFrom,
    roundTrip: status?.roundTrip,
    lastWorked: status?.lastWorked,
  }
}

const isAsBefore = (spec: PeerSpec, status: PeerStatus, view: WireGuardPeer): boolean =>
  view.receiveBytes === status.counters.receiveBytes &&
  view.transmitBytes === status.counters.transmitBytes &&
  view.lastHandshakeStamp === status.lastHandshakeStamp &&
  (view.lastHandshakeStamp !== undefined || status.lastHandshakeAt === undefined) &&
  view.endpoint === status.endpoint &&
  spec.label === status.label

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
  if (status === undefined) return converted
  // It is later than what we saw or set before, whatever the clocks say.
  return Math.max(converted, status.observedAt + 1, (status.lastEndpointChangeAt ?? -Infinity) + 1)
}
