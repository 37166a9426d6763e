import { familyOf, type Prefix, prefixOf } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import type { DesiredState } from '../model/desired.ts'
import { prefixOfElement } from './nft-sets.ts'
import type { NftTableView } from './nft-view.ts'

/**
 * While the state is provisional, with what the table sends into the tunnel already. A daemon that starts and remembers nobody, on
 * a host where an earlier one was killed, would else let go of everything, and answer in clear whoever calls through a tunnel that still
 * stands.
 */
export function holdRouted(desired: DesiredState, table: NftTableView | undefined): DesiredState {
  if (desired.isProvisional !== true || table === undefined) return desired
  // In the set, but not routed: it is on the link.
  const [mesh] = PrefixSet.of([prefixOf(desired.address, desired.addressBits)]).toPrefixes()
  const inSets = (...names: readonly string[]): readonly Prefix[] =>
    names
      .flatMap((name) => table.sets.get(name)?.elements ?? [])
      .map(prefixOfElement)
      .filter((prefix) => prefix !== undefined)
  const standing = inSets('routed_v4', 'routed_v6').filter((prefix) => prefix !== mesh)
  // Without them it would never be said.
  const neighbours = PrefixSet.of(desired.local?.neighbours ?? [])
  const routed = (family: 4 | 6, wanted: readonly Prefix[]): readonly Prefix[] =>
    PrefixSet.of(standing.filter((prefix) => familyOf(prefix) === family))
      .subtract(neighbours)
      .union(PrefixSet.of(wanted))
      .toPrefixes()
  const { forwarding } = desired
  // Kubernetes has not said yet which pods are ours.
  const sources = forwarding && [...forwarding.sources, ...inSets('own_v4', 'own_v6')]
  return {
    ...desired,
    routedV4: routed(4, desired.routedV4),
    routedV6: routed(6, desired.routedV6),
    ...(sources === undefined
      ? {}
      : { forwarding: { ...forwarding, sources: PrefixSet.of(sources).toPrefixes() } }),
  }
}
