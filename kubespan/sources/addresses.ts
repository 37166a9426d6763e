import { parseAddress } from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import type { AddressFlag, AddressScope, ObservedAddress, ObservedLink } from '../model/observed.ts'

/** All links of this host with their addresses, in the order of the kernel. */
export async function observeLinks(host: LinkSource): Promise<ObservedLink[]> {
  const [addresses, uplinks] = await Promise.all([showAddresses(host), observeUplinks(host)])
  return parseLinks(addresses, uplinks)
}

export type LinkSource = Pick<Host, 'run' | 'readSetting'>

/** What parseLinks reads. */
export const showAddresses = (host: Pick<Host, 'run'>): Promise<string> =>
  host.run('ip', ['-json', '-details', 'address', 'show'])

/** The names of the links that default routes of the main table lead out of. */
export async function observeUplinks(host: LinkSource): Promise<ReadonlySet<string>> {
  // A kernel without IPv6 refuses to be asked for it.
  const hasIpv6 = (await host.readSetting('ipv6/conf/all/disable_ipv6')) !== undefined
  const texts = await Promise.all(
    ['-4', ...(hasIpv6 ? ['-6'] : [])].map((family) =>
      host.run('ip', ['-json', family, 'route', 'show', 'default']),
    ),
  )
  return new Set(texts.flatMap(parseUplinks))
}

interface RouteRow {
  readonly type?: string
  readonly dev?: string
  readonly nexthops?: readonly { readonly dev?: string }[]
}

/** `ip -json route show default`. What refuses packets leads nowhere. */
export function parseUplinks(text: string): string[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as readonly RouteRow[])
  return rows
    .filter(({ type = 'unicast' }) => type === 'unicast')
    .flatMap(({ dev, nexthops = [] }) => [dev, ...nexthops.map((hop) => hop.dev)])
    .filter((dev) => dev !== undefined)
}

interface LinkRow {
  readonly ifname: string
  readonly flags?: readonly string[]
  readonly operstate?: string
  readonly link_type?: string
  readonly address?: string
  readonly permaddr?: string
  readonly master?: string
  readonly linkinfo?: { readonly info_kind?: string; readonly info_slave_kind?: string }
  readonly addr_info?: readonly AddressRow[]
}

interface AddressRow extends Partial<Record<AddressFlag, boolean>> {
  readonly local?: string
  readonly prefixlen?: number
  readonly scope?: string
}

/** `ip -json -details address show`. */
export function parseLinks(text: string, uplinks: ReadonlySet<string> = new Set()): ObservedLink[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Partial<LinkRow>[])
  return rows.flatMap((row) => {
    if (row.ifname === undefined) return [] // iproute2 leaves empty objects where it filtered
    const isEthernet = row.link_type === 'ether'
    const { info_kind: kind, info_slave_kind: masterKind } = row.linkinfo ?? {}
    return [
      {
        name: row.ifname,
        isUp: row.operstate === 'UP' || row.operstate === 'UNKNOWN',
        hasCarrier: row.flags?.includes('LOWER_UP') ?? false,
        isPhysical: isEthernet && kind === undefined,
        ...(kind !== undefined && { kind }),
        ...(row.master !== undefined && { master: row.master }),
        ...(masterKind !== undefined && { masterKind }),
        ...(uplinks.has(row.ifname) && { hasDefaultRoute: true }),
        mac: isEthernet ? row.address : undefined,
        ...(isEthernet && row.permaddr !== undefined && { permanentMac: row.permaddr }),
        addresses: (row.addr_info ?? []).flatMap(parseAddressRow),
      },
    ]
  })
}

function parseAddressRow(row: AddressRow): ObservedAddress[] {
  const address = parseAddress(row.local ?? '')
  if (address === undefined || row.prefixlen === undefined) return []
  const flags = FLAGS.filter((flag) => row[flag] === true)
  const observed = { address, bits: row.prefixlen, scope: scopeOf(row.scope) }
  return [flags.length === 0 ? observed : { ...observed, flags }]
}

const FLAGS: readonly AddressFlag[] = ['tentative', 'optimistic', 'dadfailed', 'deprecated', 'temporary']

const SCOPES: Readonly<Record<string, AddressScope>> = {
  global: 'global',
  site: 'site',
  link: 'link',
  host: 'host',
  nowhere: 'nowhere',
}

/** Scopes without a name are numbers between global and link. */
const scopeOf = (scope = 'global'): AddressScope => SCOPES[scope] ?? 'site'
