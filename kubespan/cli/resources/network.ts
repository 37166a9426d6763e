import type { HostView } from '../../model/host-view.ts'
import type { ResourceRow, ResourceSource, ResourceType } from './resource.ts'

const GROUP = 'net.talos.dev'

const of =
  (rows: (host: HostView) => readonly ResourceRow[]) =>
  ({ host }: ResourceSource): readonly ResourceRow[] =>
    host === undefined ? [] : rows(host)

const FAMILY_NAMES = { 4: 'inet4', 6: 'inet6' } as const

/** What the daemon has made on this host, as the kernel has it; names, ids and columns are those of Talos. */
export const NETWORK_RESOURCES: readonly ResourceType[] = [
  {
    plural: 'LinkStatuses',
    type: 'LinkStatus',
    group: GROUP,
    extraAliases: ['link', 'links'],
    namespace: 'network',
    part: 'host',
    columns: ['TYPE', 'KIND', 'HW ADDR', 'OPER STATE', 'LINK STATE'],
    rows: of(({ links }) =>
      links.map((link) => ({
        id: link.name,
        cells: [link.type, link.kind, link.hardwareAddress, link.operationalState, `${link.hasCarrier}`],
        spec: {
          index: link.index,
          type: link.type,
          kind: link.kind,
          hardwareAddr: link.hardwareAddress,
          mtu: link.mtuBytes,
          operationalState: link.operationalState,
          linkState: link.hasCarrier,
          wireguard: link.wireguard && {
            publicKey: link.wireguard.publicKey,
            listenPort: link.wireguard.listenPort,
            firewallMark: link.wireguard.fwmark,
            peers: link.wireguard.peers,
          },
        },
      })),
    ),
  },
  {
    plural: 'AddressStatuses',
    type: 'AddressStatus',
    group: GROUP,
    extraAliases: ['address', 'addresses'],
    namespace: 'network',
    part: 'host',
    columns: ['ADDRESS', 'LINK'],
    rows: of(({ addresses }) =>
      addresses.map(({ link, address, bits, scope }) => ({
        id: `${link}/${address}/${bits}`,
        cells: [`${address}/${bits}`, link],
        spec: {
          address: `${address}/${bits}`,
          linkName: link,
          family: FAMILY_NAMES[address.includes(':') ? 6 : 4],
          scope,
        },
      })),
    ),
  },
  {
    plural: 'RouteStatuses',
    type: 'RouteStatus',
    group: GROUP,
    extraAliases: ['route', 'routes'],
    namespace: 'network',
    part: 'host',
    columns: ['DESTINATION', 'GATEWAY', 'LINK', 'METRIC'],
    rows: of(({ routes }) =>
      routes.map(({ family, destination, link, type, table, metric, mtuBytes }) => ({
        id: `${table}/${link === '' ? '' : `${link}/`}${FAMILY_NAMES[family]}//${destination}/${metric}`,
        cells: [destination, '', link === '' ? type : link, `${metric}`],
        spec: {
          family: FAMILY_NAMES[family],
          dst: destination,
          outLinkName: link,
          table,
          priority: metric,
          type,
          mtu: mtuBytes,
        },
      })),
    ),
  },
  {
    plural: 'RoutingRuleStatuses',
    type: 'RoutingRuleStatus',
    group: GROUP,
    extraAliases: ['rule', 'rules', 'routingrule', 'routingrules'],
    namespace: 'network',
    part: 'host',
    columns: ['SRC', 'DST', 'FWMARK', 'TABLE', 'PRIORITY'],
    rows: of(({ rules }) =>
      rules.map(({ family, priority, to = '', fwmark, fwmask, table }) => ({
        id: `${FAMILY_NAMES[family]}/${priority}${to === '' ? '' : `/${to}`}`,
        cells: ['', to, `0x${fwmark.toString(16)}/0x${fwmask.toString(16)}`, `${table}`, `${priority}`],
        spec: {
          family: FAMILY_NAMES[family],
          table,
          priority,
          dst: to,
          action: 'unicast',
          fwMark: fwmark,
          fwMask: fwmask,
        },
      })),
    ),
  },
  {
    plural: 'NfTablesChains',
    type: 'NfTablesChain',
    group: GROUP,
    extraAliases: ['chain', 'chains'],
    namespace: 'network',
    part: 'host',
    columns: ['TYPE', 'HOOK', 'PRIORITY', 'POLICY'],
    rows: of(({ chains }) =>
      chains.map(({ id, type, hook, priority, policy, rules }) => ({
        id,
        cells: [type, hook, `${priority ?? ''}`, policy],
        spec: { type, hook, priority, policy, rules },
      })),
    ),
  },
  {
    plural: 'NfTablesSets',
    type: 'NfTablesSet',
    group: GROUP,
    extraAliases: ['set', 'sets'],
    namespace: 'network',
    part: 'host',
    columns: ['TYPE', 'ELEMENTS'],
    rows: of(({ sets }) =>
      sets.map(({ id, type, elements }) => ({
        id,
        cells: [type, `${elements.length}`],
        spec: { type, elements },
      })),
    ),
  },
]
