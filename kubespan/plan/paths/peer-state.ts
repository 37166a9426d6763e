import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { ENDPOINT_GRACE, PEER_DOWN_AFTER } from '../../model/constants.ts'
import type { PeerState, PeerStatus } from '../../model/peer.ts'

export interface PeerTiming {
  readonly peerDownAfter: Milliseconds
  readonly endpointGrace: Milliseconds
}

export const PEER_TIMING: PeerTiming = { peerDownAfter: PEER_DOWN_AFTER, endpointGrace: ENDPOINT_GRACE }

export type JudgedPeer = Pick<PeerStatus, 'lastHandshakeAt' | 'lastEndpointChangeAt' | 'lastUsedEndpoint'>

/**
 * Up, down or unknown (SPEC 6.2):
 *
 *     endpoint set                  + endpointGrace                 + peerDownAfter
 *     |  unknown until a handshake  |  down until a handshake       |  the age of the last handshake decides
 *
 * A peer that we never gave an endpoint is not to blame for silence: it is unknown, not down.
 */
export function judgePeer(peer: JudgedPeer, now: Instant, timing: PeerTiming = PEER_TIMING): PeerState {
  const state = judgeSession(peer, now, timing)
  return state === 'down' && peer.lastUsedEndpoint === undefined ? 'unknown' : state
}

function judgeSession(
  { lastHandshakeAt = -Infinity, lastEndpointChangeAt = -Infinity }: JudgedPeer,
  now: Instant,
  { peerDownAfter, endpointGrace }: PeerTiming,
): PeerState {
  const sinceChange = now - lastEndpointChangeAt
  if (sinceChange > peerDownAfter) return now - lastHandshakeAt < peerDownAfter ? 'up' : 'down'
  if (lastHandshakeAt > lastEndpointChangeAt) return 'up'
  return sinceChange < endpointGrace ? 'unknown' : 'down'
}

/** Whether the endpoint in use is to be given up. Whether another may be written is for stepPeer to say (SPEC 9, N4). */
export const mustChangeEndpoint = (
  state: PeerState,
  lastUsedEndpoint: PeerStatus['lastUsedEndpoint'],
): boolean => state === 'down' || lastUsedEndpoint === undefined
