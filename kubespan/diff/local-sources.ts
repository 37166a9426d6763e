import { familyOf, type Prefix } from '../../shared/net/address.ts'
import type { LocalState, Placement } from '../model/desired.ts'

/** What is local although peers claim it, for a table of nft. */
export const localSets = (local: LocalState | undefined, element: (prefix: Prefix) => string) =>
  ([4, 6] as const).map((family) => ({
    name: `local_v${family}`,
    type: [`ipv${family}_addr`],
    isInterval: true,
    elements: (local?.kept ?? []).filter((prefix) => familyOf(prefix) === family).map(element),
  }))

/**
 * WireGuard lets a peer send from all that it claims. From what is local here the answer would go to the machine that has the
 * address here, in clear; and nobody in the tunnel is our gateway or our name server.
 */
export const dropLocalSources = ({ linkName }: Pick<Placement, 'linkName'>): readonly string[] => [
  `iifname "${linkName}" ip saddr @local_v4 drop`,
  `iifname "${linkName}" ip6 saddr @local_v6 drop`,
]
