import { familyOf, type Prefix } from '../../shared/net/address.ts'
import type { ForwardingState, Placement } from '../model/desired.ts'

/** Whose forwarded packets are this host's business, for a table of nft. */
export const ownSets = (forwarding: ForwardingState | undefined, element: (prefix: Prefix) => string) =>
  ([4, 6] as const).map((family) => ({
    name: `own_v${family}`,
    type: [`ipv${family}_addr`],
    isInterval: true,
    elements: (forwarding?.sources ?? []).filter((prefix) => familyOf(prefix) === family).map(element),
  }))

/**
 * What others send through this host is none of the mesh's business: their addresses are not ours in the tunnel, so WireGuard
 * at the other end would drop them, and a router that masquerades them does so on the link that they used to leave by.
 *
 * Three kinds of packets are not others': those from what is ours; those of connections whose destination this host has
 * translated, as it is asked for its own services, and the answers of these; and what came out of the tunnel, which must not leave in
 * clear. Only where packets are forwarded: to ask for connections makes the kernel track them all.
 */
export const sparedSources = (
  forwarding: ForwardingState | undefined,
  { linkName }: Pick<Placement, 'linkName'>,
): string[] =>
  forwarding === undefined
    ? []
    : ['ip saddr != @own_v4', 'ip6 saddr != @own_v6'].map(
        (source) => `iifname != "${linkName}" ${source} ct status & dnat == 0 accept`,
      )
