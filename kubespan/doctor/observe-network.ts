import { type Prefix, parseAddress } from '../../shared/net/address.ts'
import { showTable } from '../apply/detours.ts'
import { observeNftTable } from '../apply/nftables.ts'
import { observeFamilies } from '../apply/routing.ts'
import { tablesBefore } from '../diff/detours.ts'
import { prefixOfElement } from '../diff/nft-sets.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import { UNREACHABLE_METRIC } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'
import { type AnyRule, parseRules } from '../model/policy-rule.ts'
import { parseWireGuardDump } from '../sources/wireguard.ts'
import { detourInput } from './checks/detours.ts'
import type { ChainFact, LinkFact, RoutedFact, RuleTable, Uplink, WireGuardFact } from './facts.ts'

interface LinkRow {
  readonly ifname: string
  readonly flags?: readonly string[]
  readonly mtu?: number
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[]
}

const rows = <Row>(text: string): readonly Partial<Row>[] =>
  text.trim() === '' ? [] : (JSON.parse(text) as Partial<Row>[])

/** Every link of this host, with its addresses. */
export async function observeAllLinks(host: Host): Promise<readonly LinkFact[]> {
  const text = await host.run('ip', ['-json', '-details', 'address', 'show'])
  return rows<LinkRow>(text).flatMap(({ ifname, flags = [], mtu = 0, linkinfo, addr_info = [] }) =>
    ifname === undefined
      ? []
      : [
          {
            name: ifname,
            kind: linkinfo?.info_kind,
            mtuBytes: mtu,
            isUp: flags.includes('UP'),
            addresses: addr_info.flatMap(({ local = '', prefixlen = 0 }) => {
              const address = parseAddress(local)
              return address === undefined ? [] : [{ address, bits: prefixlen }]
            }),
          },
        ],
  )
}

export async function observeAllRules(host: Host): Promise<readonly AnyRule[]> {
  const families = await observeFamilies(host)
  const rules = await Promise.all(
    families.map(async (family) =>
      parseRules(await host.run('ip', ['-json', '-N', `-${family}`, 'rule', 'show']), family),
    ),
  )
  return rules.flat()
}

/** What our nft table sends into the mesh; undefined while there is none. */
export async function observeRouted(host: Host, { nftTable }: Placement): Promise<RoutedFact | undefined> {
  const table = await observeNftTable(host, nftTable)
  if (table === undefined) return undefined
  const prefixesOf = (...names: readonly string[]): readonly Prefix[] =>
    names
      .flatMap((name) => table.sets.get(name)?.elements ?? [])
      .flatMap((element) => prefixOfElement(element) ?? [])
  return {
    destinations: prefixesOf('routed_v4', 'routed_v6'),
    sources: prefixesOf('own_v4', 'own_v6'),
  }
}

/** Those that decide whether a rule of others takes what is for the mesh. */
export async function observeRuleTables(
  host: Host,
  placement: Placement,
  rules: readonly AnyRule[],
  routed: RoutedFact | undefined,
): Promise<readonly RuleTable[]> {
  const wanted = ([4, 6] as const).flatMap((family) =>
    [...tablesBefore(detourInput(family, placement, rules, routed))].map((table) => ({ family, table })),
  )
  const shown = await Promise.all(
    wanted.map(({ family, table }) =>
      showTable(host, family, table).then(
        (routes) => [{ family, table, routes }],
        () => [],
      ),
    ),
  )
  return shown.flat()
}

interface RouteRow {
  readonly type?: string
  readonly dst: string
  readonly gateway?: string
  readonly dev?: string
  readonly metric?: number
}

async function routesOf(host: Host, table: string): Promise<readonly (RouteRow & { family: 4 | 6 })[]> {
  const families = await observeFamilies(host)
  const found = await Promise.all(
    families.map(async (family) => {
      const text = await host
        .run('ip', ['-json', `-${family}`, 'route', 'show', 'table', table])
        .catch((error: unknown) => {
          if (error instanceof ToolError && /table does not exist/.test(error.stderr)) return ''
          throw error
        })
      return rows<RouteRow>(text).map(({ dst = '', ...row }) => ({ ...row, dst, family }))
    }),
  )
  return found.flat()
}

/** What is in our table and not of our making, in the words of `ip route`. */
export async function observeForeignRoutes(
  host: Host,
  { routingTable, linkName }: Placement,
): Promise<readonly string[]> {
  const routes = await routesOf(host, `${routingTable}`)
  return routes
    .filter(({ dst, type, dev, metric }) => {
      const isLastResort = type === 'unreachable' && metric === UNREACHABLE_METRIC
      return dst !== 'default' || !(isLastResort || dev === linkName)
    })
    .map(({ dst, gateway, dev }) =>
      [
        dst,
        ...(gateway === undefined ? [] : ['via', gateway]),
        ...(dev === undefined ? [] : ['dev', dev]),
      ].join(' '),
    )
}

const MAIN = '254'

export async function observeUplinks(host: Host): Promise<readonly Uplink[]> {
  const routes = await routesOf(host, MAIN)
  const uplinks = routes.flatMap(({ dst, dev, family }) =>
    dst === 'default' && dev !== undefined ? [{ family, dev }] : [],
  )
  return [...new Map(uplinks.map((uplink) => [`${uplink.family} ${uplink.dev}`, uplink])).values()]
}

/** `wg show all dump` is the dump of each link, with its name in front of every line. */
export async function observeWireGuardLinks(host: Host): Promise<ReadonlyMap<string, WireGuardFact>> {
  const text = await host.run('wg', ['show', 'all', 'dump'])
  const dumps = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [name = '', ...fields] = line.split('\t')
    if (fields.length > 0) dumps.set(name, [...(dumps.get(name) ?? []), fields.join('\t')])
  }
  const now = host.clock.now()
  return new Map(
    [...dumps].map(([name, lines]): [string, WireGuardFact] => {
      const { publicKey, listenPort, fwmark, peers } = parseWireGuardDump(`${lines.join('\n')}\n`, {
        now,
        wall: host.clock.wall(),
      })
      return [
        name,
        {
          publicKey,
          listenPort,
          fwmark,
          peers: [...peers.values()].map((peer) => ({
            publicKey: peer.publicKey,
            endpoint: peer.endpoint,
            allowedIps: peer.allowedIps,
            handshakeAge: peer.lastHandshakeAt === undefined ? undefined : now - peer.lastHandshakeAt,
            receiveBytes: peer.receiveBytes,
            transmitBytes: peer.transmitBytes,
          })),
        },
      ]
    }),
  )
}

interface ChainRow {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook?: string
  readonly policy?: string
}

export async function observeChains(host: Host): Promise<readonly ChainFact[]> {
  const { nftables } = JSON.parse(await host.run('nft', ['-j', 'list', 'chains'])) as {
    readonly nftables: readonly { readonly chain?: ChainRow }[]
  }
  return nftables.flatMap(({ chain }) =>
    chain === undefined
      ? []
      : [
          {
            family: chain.family,
            table: chain.table,
            name: chain.name,
            hook: chain.hook,
            policy: chain.policy,
          },
        ],
  )
}
