import { listCell, type ResourceType, timestamp } from './resource.ts'

const GROUP = 'cluster.talos.dev'

/** What each source says, before it is merged: `get affiliates --namespace cluster-raw`. */
const RAW_AFFILIATES: ResourceType = {
  plural: 'Affiliates',
  type: 'Affiliate',
  group: GROUP,
  namespace: 'cluster-raw',
  part: 'raw',
  columns: ['HOSTNAME', 'MACHINE TYPE', 'ADDRESSES'],
  rows: ({ rawAffiliates = [] }) =>
    rawAffiliates.map(({ rawId, affiliate }) => ({
      id: rawId,
      cells: [affiliate.hostname, affiliate.machineType, listCell(affiliate.addresses)],
      spec: affiliate,
    })),
}

/** Types that are in another namespace as well; without `--namespace` nobody means these. */
export const OTHER_NAMESPACES: readonly ResourceType[] = [RAW_AFFILIATES]

/** Who is in the cluster, and how that is known (SPEC 8). */
export const CLUSTER_RESOURCES: readonly ResourceType[] = [
  {
    plural: 'Affiliates',
    type: 'Affiliate',
    group: GROUP,
    namespace: 'cluster',
    columns: ['HOSTNAME', 'MACHINE TYPE', 'ADDRESSES'],
    rows: ({ affiliates }) =>
      affiliates.map(({ isLocal, sources, unconfirmedUntil, ...affiliate }) => ({
        id: affiliate.nodeId,
        cells: [affiliate.hostname, affiliate.machineType, listCell(affiliate.addresses)],
        spec: {
          ...affiliate,
          sources: isLocal ? ['local'] : sources,
          unconfirmedUntil:
            unconfirmedUntil === null ? 'it is silent, or a source speaks' : timestamp(unconfirmedUntil),
        },
      })),
  },
  {
    plural: 'Members',
    type: 'Member',
    group: GROUP,
    namespace: 'cluster',
    columns: ['HOSTNAME', 'MACHINE TYPE', 'OS', 'ADDRESSES'],
    rows: ({ members }) =>
      members.map(({ id, ...member }) => ({
        id,
        cells: [member.hostname, member.machineType, member.operatingSystem, listCell(member.addresses)],
        spec: member,
      })),
  },
  {
    plural: 'Identities',
    type: 'Identity',
    group: GROUP,
    namespace: 'cluster',
    columns: ['ID'],
    rows: ({ identity }) =>
      identity === undefined
        ? []
        : [{ id: 'local', cells: [identity.nodeId], spec: { nodeId: identity.nodeId } }],
  },
  {
    plural: 'Infos',
    type: 'Info',
    group: GROUP,
    namespace: 'cluster',
    columns: ['CLUSTER ID', 'CLUSTER NAME'],
    // The id is a capability: who knows it may write the cluster's records.
    rows: ({ cluster }) =>
      cluster === undefined
        ? []
        : [{ id: 'current', cells: [`${cluster.idTag}…`, ''], spec: { clusterIdTag: cluster.idTag } }],
  },
  {
    plural: 'DiscoveryConfigs',
    type: 'DiscoveryConfig',
    group: GROUP,
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
