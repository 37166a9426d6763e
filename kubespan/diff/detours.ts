import { type Prefix, splitPrefix } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import type { Placement } from '../model/desired.ts'
import { type AnyRule, describeRule, ruleWords } from '../model/policy-rule.ts'
import type { TableRoute } from './routing-view.ts'

/** A rule or a route of somebody else that leads packets for the mesh elsewhere. They are dropped then, so somebody must know. */
export interface Detour {
  /** What it is, and what comes of it: `rule "100: lookup 7 (IPv4)" is asked before ours: …`. */
  readonly what: string
  /** What has to be done, as a command or a line of configuration. */
  readonly mend: string
}

export interface DetourInput {
  readonly placement: Pick<
    Placement,
    'linkName' | 'routeFwmark' | 'fwmarkMask' | 'routingTable' | 'rulePriority'
  >
  /** All rules of one family, in the order in which the kernel asks. */
  readonly rules: readonly AnyRule[]
  /** By number, of the same family. One that is not told of may lead anywhere. */
  readonly tables: ReadonlyMap<number, readonly TableRoute[]>
  /** What is sent into the tunnel. */
  readonly routed: PrefixSet
  /** Where packets come from that are sent into the tunnel; undefined where that is not known. */
  readonly sources?: PrefixSet | undefined
}

const LOCAL_TABLE = 255

/** The tables that decide whether a rule before ours is a detour. */
export const tablesBefore = (input: Omit<DetourInput, 'tables'>): ReadonlySet<number> =>
  new Set(
    suspects(input).flatMap(({ action }) =>
      action.kind === 'lookup' && action.table !== LOCAL_TABLE ? [action.table] : [],
    ),
  )

/** Of one family. */
export interface Found {
  readonly rules: readonly AnyRule[]
  /** In our table. */
  readonly routes: readonly TableRoute[]
}

export function findDetours(input: DetourInput): Found {
  const { placement, tables, routed } = input
  return {
    rules: suspects(input).filter((rule) => isDetour(rule, input)),
    routes: (tables.get(placement.routingTable) ?? []).filter(
      ({ prefix, dev, isLastResort }) =>
        dev !== placement.linkName && !isLastResort && PrefixSet.of([prefix]).overlaps(routed),
    ),
  }
}

/** Between a rule of somebody else and ours there is room for a rule of a third. */
const ROOM = 10

/**
 * In words, with what mends it: a number for our rule that is below those of all others, because a rule that is added at a number
 * that is taken is asked after the one that is there.
 */
export function describeDetours(
  found: readonly Found[],
  { rulePriority, routingTable }: DetourInput['placement'],
): readonly Detour[] {
  const rules = found.flatMap((family) => family.rules)
  const lowest = Math.min(...rules.map(({ priority }) => priority).filter((priority) => priority > 1))
  return [
    ...rules.map((rule) => ({
      what: `rule "${describeRule(rule)}" is asked before ours: ${effectOf(rule)}`,
      mend: refusesUnmarked(rule)
        ? ipRule('del', rule, rule.priority)
        : rule.priority > 1
          ? `placement: {rulePriority: ${Math.max(1, lowest - ROOM)}} in a NodeConfig, then kubespan reload`
          : // There is no number below it.
            `${ipRule('add', rule, rulePriority + 1)} && ${ipRule('del', rule, rule.priority)}`,
    })),
    ...found
      .flatMap(({ routes }) => routes)
      .map(({ family, prefix, words }) => ({
        what: `route "${words}" (IPv${family}) of somebody else is in our table ${routingTable}: what it is for is dropped instead of entering the mesh`,
        mend: `ip -${family} route del ${prefix} table ${routingTable}`,
      })),
  ]
}

function effectOf({ action }: AnyRule): string {
  switch (action.kind) {
    case 'lookup':
      return `what table ${action.table} has a route for is dropped instead of entering the mesh`
    case 'l3mdev':
      return 'what is sent out of a VRF is dropped instead of entering the mesh'
    case 'refuse':
      return 'it refuses what is for the mesh'
    default:
      return 'ours is skipped, and what is for the mesh is dropped'
  }
}

/** Programs are refused before their packets have a mark, wherever ours is. */
const refusesUnmarked = ({ action, fwmark, isNegated }: AnyRule): boolean =>
  action.kind === 'refuse' && (fwmark === undefined || ((fwmark.value & fwmark.mask) === 0) !== isNegated)

const ipRule = (verb: 'add' | 'del', rule: AnyRule, priority: number): string =>
  `ip -${rule.family} rule ${verb} priority ${priority} ${ruleWords(rule)}`

/** Rules before ours that may match a packet with our mark for the mesh. Where ours is not there, it comes after all of its number. */
function suspects({ rules, placement, routed, sources }: Omit<DetourInput, 'tables'>): readonly AnyRule[] {
  const ours = rules.findIndex((rule) => isOurs(rule, placement))
  const before =
    ours < 0 ? rules.filter(({ priority }) => priority <= placement.rulePriority) : rules.slice(0, ours)
  return before.filter((rule) => mayMatch(rule, placement, routed, sources))
}

export const isOurs = (
  { fwmark, action, others, from, to, isNegated }: AnyRule,
  { routeFwmark, fwmarkMask, routingTable }: DetourInput['placement'],
): boolean =>
  action.kind === 'lookup' &&
  action.table === routingTable &&
  fwmark?.value === routeFwmark &&
  fwmark.mask === fwmarkMask &&
  from === undefined &&
  to === undefined &&
  others.length === 0 &&
  !isNegated

function mayMatch(
  rule: AnyRule,
  { routeFwmark, fwmarkMask }: DetourInput['placement'],
  routed: PrefixSet,
  sources: PrefixSet | undefined,
): boolean {
  const { fwmark, from, to, others, isNegated, isDetached } = rule
  const shared = (fwmark?.mask ?? 0) & fwmarkMask
  const isMarkPossible = fwmark === undefined || (fwmark.value & shared) === (routeFwmark & shared)
  if (isNegated) {
    // What is negated holds for all of our packets only if it asks for nothing but bits of ours that they have.
    const isOfAll = isMarkPossible && ((fwmark?.mask ?? 0) & ~fwmarkMask) === 0
    return !(isOfAll && others.length === 0 && from === undefined && (to === undefined || covers(to, routed)))
  }
  const isWithin = (prefix: Prefix | undefined, set: PrefixSet | undefined): boolean =>
    prefix === undefined || set === undefined || PrefixSet.of([prefix]).overlaps(set)
  return !isDetached && isMarkPossible && isWithin(to, routed) && isWithin(from, sources)
}

const covers = (prefix: Prefix, set: PrefixSet): boolean => set.subtract(PrefixSet.of([prefix])).isEmpty

function isDetour({ action, to, isNegated }: AnyRule, { tables, placement, routed }: DetourInput): boolean {
  switch (action.kind) {
    case 'nop':
      return false
    case 'refuse':
    case 'l3mdev':
      return true
    case 'goto':
      return action.isResolved && action.priority > placement.rulePriority
    case 'lookup': {
      if (action.table === LOCAL_TABLE || action.table === placement.routingTable) return false
      const asked = to === undefined || isNegated ? routed : intersect(to, routed)
      const routes = tables.get(action.table)
      return (
        routes === undefined || leadsElsewhere(routes, asked, placement.linkName, action.suppressed ?? -1)
      )
    }
    default:
      return action satisfies never
  }
}

/** Whether one of these is the way for something of what is asked for: neither into our link, nor left to the next rule, nor to this host. */
function leadsElsewhere(
  routes: readonly TableRoute[],
  asked: PrefixSet,
  linkName: string,
  suppressedBits: number,
): boolean {
  const bitsOf = ({ prefix }: TableRoute): number => splitPrefix(prefix).bits
  const isHarmless = ({ isThrow, isLocal, dev }: TableRoute): boolean =>
    isThrow || isLocal || dev === linkName
  const harmless = routes.filter(isHarmless)
  return routes.some((route) => {
    if (isHarmless(route) || bitsOf(route) <= suppressedBits) return false
    const longer = harmless.filter((other) => bitsOf(other) > bitsOf(route)).map(({ prefix }) => prefix)
    return PrefixSet.of([route.prefix]).overlaps(asked.subtract(PrefixSet.of(longer)))
  })
}

const intersect = (prefix: Prefix, set: PrefixSet): PrefixSet =>
  set.subtract(set.subtract(PrefixSet.of([prefix])))
