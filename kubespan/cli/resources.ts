import type { DaemonView } from '../model/daemon-view.ts'

/** One row of `kubespan get`: its id, the cells of its columns, and all of it for -o json and -o yaml. */
export interface ResourceRow {
  readonly id: string
  readonly cells: readonly string[]
  /** Field names as Talos users know them (SPEC 8). */
  readonly spec: unknown
}

export interface ResourceType {
  /** As it is asked for: plural, lower case. */
  readonly name: string
  /** As the TYPE column shows it: singular. */
  readonly type: string
  readonly aliases: readonly string[]
  readonly namespace: string
  readonly columns: readonly string[]
  readonly rows: (view: DaemonView) => readonly ResourceRow[]
}

/** `["a","b"]`, as lists stand in a cell. */
const list = (values: readonly string[]): string => JSON.stringify(values)

export const RESOURCES: readonly ResourceType[] = [
  {
    name: 'kubespanidentities',
    type: 'KubeSpanIdentity',
    aliases: ['kubespanidentity', 'ksi'],
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
    name: 'kubespanpeerspecs',
    type: 'KubeSpanPeerSpec',
    aliases: ['kubespanpeerspec', 'ksp'],
    namespace: 'kubespan',
    columns: ['LABEL', 'ENDPOINTS'],
    rows: ({ peers }) =>
      peers.map(({ publicKey, address, allowedIps, endpoints, label }) => ({
        id: publicKey,
        cells: [label, list(endpoints)],
        spec: { address, allowedIPs: allowedIps, endpoints, label },
      })),
  },
  {
    name: 'kubespanpeerstatuses',
    type: 'KubeSpanPeerStatus',
    aliases: ['kubespanpeerstatus', 'ksps'],
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
    name: 'kubespanendpoints',
    type: 'KubeSpanEndpoint',
    aliases: ['kubespanendpoint', 'kse'],
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
    name: 'affiliates',
    type: 'Affiliate',
    aliases: ['affiliate'],
    namespace: 'cluster',
    columns: ['HOSTNAME', 'MACHINE TYPE', 'ADDRESSES'],
    rows: ({ affiliates }) =>
      affiliates.map(({ isLocal, sources, unconfirmedUntil, ...affiliate }) => ({
        id: affiliate.nodeId,
        cells: [affiliate.hostname, affiliate.machineType, list(affiliate.addresses)],
        spec: {
          ...affiliate,
          sources: isLocal ? ['local'] : sources,
          unconfirmedUntil: unconfirmedUntil === null ? 'a source speaks' : timestamp(unconfirmedUntil),
        },
      })),
  },
  {
    name: 'members',
    type: 'Member',
    aliases: ['member'],
    namespace: 'cluster',
    columns: ['HOSTNAME', 'MACHINE TYPE', 'OS', 'ADDRESSES'],
    rows: ({ members }) =>
      members.map(({ id, ...member }) => ({
        id,
        cells: [member.hostname, member.machineType, member.operatingSystem, list(member.addresses)],
        spec: member,
      })),
  },
  {
    name: 'identities',
    type: 'Identity',
    aliases: ['identity'],
    namespace: 'cluster',
    columns: ['ID'],
    rows: ({ identity }) =>
      identity === undefined
        ? []
        : [{ id: 'local', cells: [identity.nodeId], spec: { nodeId: identity.nodeId } }],
  },
  {
    name: 'infos',
    type: 'Info',
    aliases: ['info'],
    namespace: 'cluster',
    columns: ['CLUSTER ID', 'CLUSTER NAME'],
    rows: ({ cluster }) =>
      cluster === undefined
        ? []
        : [{ id: 'current', cells: [`${cluster.idTag}…`, ''], spec: { clusterIdTag: cluster.idTag } }],
  },
  {
    name: 'kubespanconfigs',
    type: 'KubeSpanConfig',
    aliases: ['kubespanconfig', 'ksc'],
    namespace: 'config',
    columns: [],
    rows: ({ enabled, settings }) => [{ id: 'kubespan', cells: [], spec: { enabled, ...settings } }],
  },
  {
    name: 'discoveryconfigs',
    type: 'DiscoveryConfig',
    aliases: ['discoveryconfig'],
    namespace: 'config',
    columns: [],
    rows: ({ services }) => [
      {
        id: 'cluster',
        cells: [],
        spec: { services: services.map(({ name, endpoint }) => ({ name, endpoint })) },
      },
    ],
  },
]

const timestamp = (at: number | undefined): string => (at === undefined ? '' : new Date(at).toISOString())

/** The types themselves, as `kubespan get rd` lists them. */
export const RESOURCE_DEFINITIONS: ResourceType = {
  name: 'resourcedefinitions',
  type: 'ResourceDefinition',
  aliases: ['resourcedefinition', 'rd', 'rds'],
  namespace: 'meta',
  columns: ['ALIASES'],
  rows: () =>
    RESOURCES.map(({ name, type, aliases, namespace }) => ({
      id: name,
      cells: [list(aliases)],
      spec: { type, aliases, namespace },
    })),
}

/** The type of that name or alias, in whatever case. */
export function findResource(name: string): ResourceType | undefined {
  const wanted = name.toLowerCase()
  return [...RESOURCES, RESOURCE_DEFINITIONS].find(
    (type) => type.name === wanted || type.aliases.includes(wanted),
  )
}
