import type { PeerSpec, PeerStatus, WireGuardPeer } from '../../kubespan/model/peer.ts'
import type { Address } from '../../shared/net/address.ts'

export const specOf = (said: Partial<PeerSpec>): PeerSpec => ({
  publicKey: 'key',
  nodeId: 'node',
  label: 'label',
  address: 'fd00::1' as Address,
  allowedIps: [],
  endpoints: [],
  ...said,
})

export const statusOf = (said: Partial<PeerStatus>): PeerStatus => ({
  label: 'label',
  state: 'unknown',
  endpoint: undefined,
  lastUsedEndpoint: undefined,
  lastEndpointChangeAt: undefined,
  lastHandshakeAt: undefined,
  lastHandshakeStamp: undefined,
  lastReceiveAt: undefined,
  notUpSince: undefined,
  observedAt: 0,
  receiveBytes: 0,
  transmitBytes: 0,
  counters: { receiveBytes: 0, transmitBytes: 0 },
  ...said,
})

export const wireguardPeerOf = (said: Partial<WireGuardPeer>): WireGuardPeer => ({
  publicKey: 'key',
  hasPresharedKey: true,
  endpoint: undefined,
  allowedIps: [],
  lastHandshakeAt: undefined,
  lastHandshakeStamp: undefined,
  receiveBytes: 0,
  transmitBytes: 0,
  keepaliveSeconds: 25,
  ...said,
})
