import { type Family, familyOf, type Prefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import { type DetourInput, describeDetours, findDetours } from '../../diff/detours.ts'
import type { Placement } from '../../model/desired.ts'
import { error, type Finding, warning } from '../../model/finding.ts'
import type { AnyRule } from '../../model/policy-rule.ts'
import type { Facts, RoutedFact } from '../facts.ts'

const EVERYTHING: RoutedFact = { destinations: ['0.0.0.0/0', '::/0'] as Prefix[], sources: [] }

/** While nobody has said what is for the mesh, anything may be. */
export const detourInput = (
  family: Family,
  placement: Placement,
  rules: readonly AnyRule[],
  { destinations, sources }: RoutedFact = EVERYTHING,
): Omit<DetourInput, 'tables'> => ({
  placement,
  rules: rules.filter((rule) => rule.family === family),
  routed: PrefixSet.of(destinations.filter((prefix) => familyOf(prefix) === family)),
  sources: sources.length === 0 ? undefined : PrefixSet.of(sources),
})

/** Rules of others that take what is for the mesh, as the daemon sees them. */
export function checkDetours({ rules, routed, ruleTables, settings: { placement } }: Facts): Finding[] {
  if (!('value' in rules)) return []
  const found = ([4, 6] as const).map((family) =>
    findDetours({
      ...detourInput(family, placement, rules.value, routed),
      tables: new Map(
        ruleTables.filter((table) => table.family === family).map(({ table, routes }) => [table, routes]),
      ),
    }),
  )
  const judge = routed === undefined ? warning : error
  return describeDetours(found, placement).map(({ what, mend }) => judge('rules', what, mend))
}
