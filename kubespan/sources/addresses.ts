import { parseAddress } from '../../shared/net/address.ts'
import type { Runner } from '../host/runner.ts'
import type { AddressFlag, AddressScope, ObservedAddress, ObservedLink } from '../model/observed.ts'

/** All links of this host with their addresses, in the order of the kernel. */
export const observeLinks = async (runner: Runner): Promise<ObservedLink[]> =>
  parseLinks(await showAddresses(runner))

/** What parseLinks reads. */
export const showAddresses = (runner: Runner): Promise<string> =>
  runner.run('ip', ['-json', '-details', 'address', 'show'])

interface LinkRow {
  readonly ifname: string
  readonly flags?: readonly string[]
  readonly operstate?: string
  readonly link_type?: string
  readonly address?: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly AddressRow[]
}

interface AddressRow extends Partial<Record<AddressFlag, boolean>> {
  readonly local?: string
  readonly prefixlen?: number
  readonly scope?: string
}

/** `ip -json -details address show`. */
export function parseLinks(text: string): ObservedLink[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Partial<LinkRow>[])
  return rows.flatMap((row) => {
    if (row.ifname === undefined) return [] // iproute2 leaves empty objects where it filtered
    const isEthernet = row.link_type === 'ether'
    return [
      {
        name: row.ifname,
        isUp: row.operstate === 'UP' || row.operstate === 'UNKNOWN',
        hasCarrier: row.flags?.includes('LOWER_UP') ?? false,
        isPhysical: isEthernet && row.linkinfo?.info_kind === undefined,
        mac: isEthernet ? row.address : undefined,
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
