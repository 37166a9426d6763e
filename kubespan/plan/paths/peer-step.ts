import type { Instant } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import type { PeerSpec, PeerStatus, PublicKey, WireGuardPeer } from '../../model/peer.ts'
import { chooseEndpoint } from './endpoint-order.ts'
import { isRelay, judgeSeen, lookAtPeer, type PeerLook } from './peer-look.ts'
import { mustChangeEndpoint, type PeerTiming } from './peer-state.ts'

export interface PeerStep extends PeerLook {
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
 *
 * An endpoint that is a relay was left behind by a race that did not end in order: it counts as lost, even of a peer that is up.
 */
export function stepPeer({ timing, ...look }: PeerStep): PeerStepResult {
  const { spec, status, now } = look
  const view = look.view && isRelay(look.view.endpoint) ? { ...look.view, endpoint: undefined } : look.view
  const seen = lookAtPeer({ ...look, view })
  if (view === undefined && status?.endpoint !== undefined) return begin(seen, status.endpoint, now)

  const judged = judgeSeen(seen, now, timing)
  if (judged.state === 'up' && judged.endpoint !== undefined) return { status: judged, endpoint: undefined }

  if (mustChangeEndpoint(judged.state, judged.lastUsedEndpoint)) {
    const next = chooseEndpoint({
      candidates: spec.endpoints,
      lastUsedEndpoint: judged.lastUsedEndpoint,
      observedEndpoint: judged.endpoint,
    })
    if (next !== undefined) return begin(judged, next, now)
  }
  if (judged.endpoint !== undefined) return { status: judged, endpoint: undefined }
  return { status: { ...judged, endpoint: judged.lastUsedEndpoint }, endpoint: judged.lastUsedEndpoint }
}

const begin = (status: PeerStatus, endpoint: AddressPort, now: Instant): PeerStepResult => ({
  status: beginTrial(status, endpoint, now),
  endpoint,
})

/** The peer as it is from the moment in which another endpoint is written, or a race for one begins: its silence counts anew. */
export const beginTrial = (status: PeerStatus, endpoint: AddressPort, now: Instant): PeerStatus => ({
  ...status,
  state: 'unknown',
  endpoint,
  lastUsedEndpoint: endpoint,
  lastEndpointChangeAt: now,
  notUpSince: status.notUpSince ?? now,
})

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

/**
 * Only judges, for peers whose endpoints races decide: where a peer that is up was found counts as the endpoint that we used.
 */
export function judgePeers(
  specs: readonly PeerSpec[],
  memory: ReadonlyMap<PublicKey, PeerStatus>,
  views: ReadonlyMap<PublicKey, WireGuardPeer>,
  now: Instant,
  timing: PeerTiming,
): ReadonlyMap<PublicKey, PeerStatus> {
  const statuses = new Map<PublicKey, PeerStatus>()
  for (const spec of specs) {
    const key = spec.publicKey
    const judged = judgeSeen(
      lookAtPeer({ spec, status: memory.get(key), view: views.get(key), now }),
      now,
      timing,
    )
    const found = judged.state === 'up' ? judged.endpoint : undefined
    const isKnown = found === undefined || found === judged.lastUsedEndpoint
    statuses.set(key, isKnown ? judged : { ...judged, lastUsedEndpoint: found })
  }
  return statuses
}
