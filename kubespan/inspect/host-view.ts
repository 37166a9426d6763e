import { type Family, parseAddress } from '../../shared/net/address.ts'
import { observeFamilies, observeRouting } from '../apply/routing.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { Placement } from '../model/desired.ts'
import type { AddressStatusView, HostView, LinkStatusView, RouteStatusView } from '../model/host-view.ts'
import { observeWireGuard } from '../sources/wireguard.ts'
import { observeListing } from './nft-listing.ts'

/** Everything on this host that is the daemon's, as the kernel has it now. */
export async function observeHost(host: Host, placement: Placement): Promise<HostView> {
  const { linkName, nftTable } = placement
  const families = await observeFamilies(host)
  const [{ links, addresses }, routing, listing] = await Promise.all([
    observeOwnLink(host, linkName),
    observeRouting(host, placement, families),
    observeListing(host, nftTable),
  ])
  return {
    links,
    addresses,
    routes: routing.routes.map(
      ({ family, dev, metric, mtuBytes }): RouteStatusView => ({
        family,
        destination: EVERYTHING[family],
        link: dev ?? '',
        type: dev === undefined ? 'unreachable' : 'unicast',
        table: placement.routingTable,
        metric,
        mtuBytes,
      }),
    ),
    rules: routing.rules,
    chains: (listing?.chains ?? []).map(({ name, ...chain }) => ({ id: `${nftTable}/${name}`, ...chain })),
    sets: (listing?.sets ?? []).map(({ name, ...set }) => ({ id: `${nftTable}/${name}`, ...set })),
  }
}

const EVERYTHING: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' }

interface LinkRow {
  readonly ifindex?: number
  readonly ifname: string
  readonly flags?: readonly string[]
  readonly mtu: number
  readonly operstate?: string
  readonly link_type?: string
  readonly address?: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly {
    readonly local: string
    readonly prefixlen: number
    readonly scope: string
  }[]
}

async function observeOwnLink(host: Host, linkName: string): Promise<Pick<HostView, 'links' | 'addresses'>> {
  const text = await host
    .run('ip', ['-json', '-details', 'address', 'show', 'dev', linkName])
    .catch((error: unknown) => {
      if (error instanceof ToolError && /does not exist/.test(error.stderr)) return '[]'
      throw error
    })
  const row = (JSON.parse(text) as Partial<LinkRow>[]).find(({ ifname }) => ifname === linkName)
  if (row === undefined) return { links: [], addresses: [] }
  return {
    links: [await describeLink(host, row as LinkRow)],
    addresses: (row.addr_info ?? []).flatMap(({ local, prefixlen, scope }): AddressStatusView[] => {
      const address = parseAddress(local)
      return address === undefined ? [] : [{ link: linkName, address, bits: prefixlen, scope }]
    }),
  }
}

async function describeLink(host: Host, row: LinkRow): Promise<LinkStatusView> {
  const device = await observeWireGuard(host, row.ifname)
  return {
    name: row.ifname,
    // Types without a name come as a number in brackets; a tunnel's is 65534.
    type: row.link_type === undefined || row.link_type.startsWith('[') ? 'none' : row.link_type,
    kind: row.linkinfo?.info_kind ?? '',
    hardwareAddress: row.address ?? '',
    operationalState: (row.operstate ?? 'unknown').toLowerCase(),
    hasCarrier: row.flags?.includes('LOWER_UP') ?? false,
    mtuBytes: row.mtu,
    index: row.ifindex ?? 0,
    wireguard: device && {
      publicKey: device.publicKey ?? '',
      listenPort: device.listenPort,
      fwmark: device.fwmark,
      peers: device.peers.size,
    },
  }
}
