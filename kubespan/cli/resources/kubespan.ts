import { listCell, type ResourceType, timestamp } from './resource.ts'

const GROUP = 'kubespan.talos.dev'

/** What KubeSpan knows of itself and its peers (SPEC 8). */
export const KUBESPAN_RESOURCES: readonly ResourceType[] = [
  {
    plural: 'KubeSpanIdentities',
    type: 'KubeSpanIdentity',
    group: GROUP,
    namespace: 'kubespan',
    columns: ['ADDRESS', 'PUBLICKEY'],
    rows: ({ identity }) =>
      identity === undefined
        ? []
        : [
            {
              id: 'local',
              cells: [`${identity.address}/128`, identity.publicKey],
              spec: {
                address: `${identity.address}/128`,
                subnet: identity.subnet,
                privateKey: '[redacted]',
                publicKey: identity.publicKey,
              },
            },
          ],
  },
  {
    plural: 'KubeSpanPeerStatuses',
    type: 'KubeSpanPeerStatus',
    group: GROUP,
    namespace: 'kubespan',
    columns: ['LABEL', 'ENDPOINT', 'STATE', 'RX', 'TX'],
    rows: ({ peers }) =>
      peers.map((peer) => ({
        id: peer.publicKey,
        cells: [peer.label, peer.endpoint ?? '', peer.state, `${peer.receiveBytes}`, `${peer.transmitBytes}`],
        spec: {
          endpoint: peer.endpoint ?? '',
          label: peer.label,
          state: peer.state,
          receiveBytes: peer.receiveBytes,
          transmitBytes: peer.transmitBytes,
          lastHandshakeTime: timestamp(peer.lastHandshakeAt),
          lastUsedEndpoint: peer.lastUsedEndpoint ?? '',
          lastEndpointChange: timestamp(peer.lastEndpointChangeAt),
        },
      })),
  },
  {
    plural: 'KubeSpanPeerSpecs',
    type: 'KubeSpanPeerSpec',
    group: GROUP,
    // Both of a peer's types have the capitals KSPS: that name leads to the statuses.
    extraAliases: ['ksp'],
    namespace: 'kubespan',
    columns: ['LABEL', 'ENDPOINTS'],
    rows: ({ peers }) =>
      peers.map(({ publicKey, address, allowedIps, endpoints, label }) => ({
        id: publicKey,
        cells: [label, listCell(endpoints)],
        spec: { address, allowedIPs: allowedIps, endpoints, label },
      })),
  },
  {
    plural: 'KubeSpanEndpoints',
    type: 'KubeSpanEndpoint',
    group: GROUP,
    namespace: 'kubespan',
    columns: ['ENDPOINT', 'AFFILIATE ID'],
    rows: ({ harvestedEndpoints }) =>
      harvestedEndpoints.map(({ publicKey, nodeId, endpoint }) => ({
        id: publicKey,
        cells: [endpoint, nodeId],
        spec: { affiliateID: nodeId, endpoint },
      })),
  },
  {
    plural: 'KubeSpanConfigs',
    type: 'KubeSpanConfig',
    group: GROUP,
    namespace: 'config',
    columns: [],
    rows: ({ enabled, settings }) => [{ id: 'kubespan', cells: [], spec: { enabled, ...settings } }],
  },
]
