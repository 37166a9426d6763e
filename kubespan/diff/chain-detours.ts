import type { Placement } from '../model/desired.ts'
import type { MarkMatch, MarkRule } from '../model/mark-rules.ts'
import { hex } from '../model/mark-words.ts'
import type { PathFilterFact } from '../model/path-filters.ts'
import { isMarkedAt } from '../model/return-path.ts'
import type { Detour } from './detours.ts'
import { PRIORITY_FILTER } from './nft-words.ts'
import { PRIORITY_AFTER_FILTERS } from './return-path.ts'

/** What of the chains of others may take packets of the mesh. */
export interface StrangeChains {
  readonly marks: readonly MarkRule[]
  readonly pathFilters: readonly PathFilterFact[]
}

type Marks = Pick<Placement, 'fwmarkMask' | 'routeFwmark'>

/** Those that may be a detour under whatever marks: on most hosts none is. */
export const suspectChains = ({ marks, pathFilters }: StrangeChains): StrangeChains => ({
  marks: marks.filter(isLate),
  pathFilters: pathFilters.filter(isAgainstMark),
})

/** Told of as what leads packets elsewhere; of what nft does not show nothing is. */
export function describeChainDetours(
  { marks, pathFilters }: StrangeChains,
  placement: Marks & Pick<Placement, 'linkName'>,
): readonly Detour[] {
  const detours = [
    ...marks
      .filter((rule) => takesOurMark(rule, placement))
      .map((rule) => describeMarkDetour(rule, placement)),
    ...pathFilters
      .filter((filter) => filter.byMark !== undefined && dropsFromTunnel(filter, placement.linkName))
      .map((filter) => describePathFilter(filter, placement.linkName)),
  ]
  return [...new Map(detours.map((detour) => [detour.what, detour])).values()]
}

/** Whether a packet for the mesh may be routed anew without our mark. */
export function takesOurMark(rule: MarkRule, { fwmarkMask, routeFwmark }: Marks): boolean {
  const { effect, spared, only } = rule
  if (effect === undefined || !isLate(rule)) return false
  const isOfAllOurs = ({ mask, value }: MarkMatch): boolean =>
    (mask & ~fwmarkMask) === 0 && (routeFwmark & mask) === value
  const mayBeOurs = ({ mask, value }: MarkMatch): boolean => ((routeFwmark ^ value) & mask & fwmarkMask) === 0
  if (spared.some(isOfAllOurs) || (only !== undefined && !mayBeOurs(only))) return false
  const cleared = routeFwmark & ~effect.keeps & ~effect.sets
  return (cleared | (effect.sets & fwmarkMask & ~routeFwmark)) !== 0
}

/** Whether a chain comes after ours, which mark. At output packets are routed anew by chains of type route alone, and at later hooks no packet is any more. */
export const isLate = ({
  type,
  hook,
  priority = -Infinity,
}: Pick<MarkRule, 'type' | 'hook' | 'priority'>): boolean =>
  hook === 'output'
    ? type === 'route' && priority >= PRIORITY_FILTER
    : hook === 'prerouting' && priority >= PRIORITY_AFTER_FILTERS

export function describeMarkDetour(
  { family, table, chain, handle }: MarkRule,
  { fwmarkMask, routeFwmark }: Marks,
): Detour {
  return {
    what: `a rule of chain ${chain} of table ${family} ${table} takes our mark away after it was given: such packets for the mesh are dropped`,
    mend: `nft insert rule ${family} ${table} ${chain}${handle === undefined ? '' : ` handle ${handle}`} meta mark and ${hex(fwmarkMask)} == ${hex(routeFwmark)} return`,
  }
}

const isAgainstMark = ({ byMark, hook, priority }: PathFilterFact): boolean =>
  byMark !== true || !isMarkedAt(hook, priority)

/** Whether what comes out of the tunnel does not pass a filter; where nobody can tell, it counts as well. */
export const dropsFromTunnel = (filter: PathFilterFact, linkName: string): boolean =>
  isAgainstMark(filter) &&
  !filter.sparedLinks.includes(linkName) &&
  (filter.onlyLinks === undefined || filter.onlyLinks.some((pattern) => isLike(linkName, pattern)))

const isLike = (name: string, pattern: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern

export function describePathFilter(
  { family, table, chain, hook, priority, rule, handle }: PathFilterFact,
  linkName: string,
): Detour {
  return {
    what: `chain ${chain} of table ${family} ${table} (${hook}, ${priority}) drops what comes out of the tunnel: ${rule}`,
    mend: / (accept|return)\b/.test(rule)
      ? `nft insert rule ${family} ${table} ${chain} handle ${handle} iifname "${linkName}" accept`
      : `nft replace rule ${family} ${table} ${chain} handle ${handle} iifname != "${linkName}" ${rule}`,
  }
}
