import type { Family, Prefix } from '../../shared/net/address.ts'
import { LAST_RESORT_PRIORITY, ROUTE_METRIC, UNREACHABLE_METRIC } from '../model/constants.ts'
import type { DesiredState, Placement } from '../model/desired.ts'
import { hex } from '../model/mark-words.ts'
import type { Change } from './change.ts'
import type { DefaultRoute, PolicyRule, RoutingView } from './routing-view.ts'

export type RoutingChange =
  | { readonly kind: 'add' | 'delete'; readonly rule: PolicyRule; readonly route?: never }
  | { readonly kind: 'set' | 'delete'; readonly route: DefaultRoute; readonly rule?: never }

/**
 * The rules and routes of SPEC 6.5, and behind each route one that refuses, for when the link is down or gone.
 *
 * A host without any route of a family would be told that the network is unreachable before its packet could be marked. So
 * in families that it is `stranded` in, what leads there is found by rules that are asked after the main table: with a route
 * of the host's own they are never reached, and WireGuard's own packets, which carry a mark, never match.
 */
export function planRouting(
  {
    placement,
    mtuBytes,
    routedV4,
    routedV6,
  }: Pick<DesiredState, 'placement' | 'mtuBytes' | 'routedV4' | 'routedV6'>,
  families: readonly Family[],
  stranded: readonly Family[],
): RoutingView {
  const { fwmarkMask: fwmask, routingTable: table } = placement
  return {
    rules: [
      ...families.map((family) => ({
        ...{ family, priority: placement.rulePriority, to: undefined },
        ...{ fwmark: placement.routeFwmark, fwmask, table },
      })),
      ...stranded.flatMap((family) =>
        (family === 4 ? routedV4 : routedV6).flatMap(splitEverything).map((to) => ({
          ...{ family, priority: LAST_RESORT_PRIORITY, to },
          ...{ fwmark: 0, fwmask, table },
        })),
      ),
    ],
    routes: families.flatMap((family) => [
      { family, dev: undefined, metric: UNREACHABLE_METRIC, mtuBytes: undefined, isPlain: true },
      { family, dev: placement.linkName, metric: ROUTE_METRIC, mtuBytes, isPlain: true },
    ]),
  }
}

/** In halves: next to a rule to anywhere the kernel takes none to a part of it, and the other way round. */
const splitEverything = (prefix: Prefix): readonly Prefix[] => (HALVES[prefix] ?? [prefix]) as Prefix[]
const HALVES: Readonly<Record<string, readonly string[]>> = {
  '0.0.0.0/0': ['0.0.0.0/1', '128.0.0.0/1'],
  '::/0': ['::/1', '8000::/1'],
}

/** What makes `observed` (only what is ours) into `wanted`. Additions come first: two rules are better than none. */
export function diffRouting(wanted: RoutingView, observed: RoutingView): RoutingChange[] {
  const haveRules = new Set(observed.rules.map(ruleText))
  const haveRoutes = new Set(observed.routes.map(routeText))
  const wantRules = new Set(wanted.rules.map(ruleText))
  const wantKeys = new Set(wanted.routes.map(routeKey))
  return [
    ...wanted.routes
      .filter((route) => !haveRoutes.has(routeText(route)))
      .map((route) => ({ kind: 'set' as const, route })),
    ...wanted.rules
      .filter((rule) => !haveRules.has(ruleText(rule)))
      .map((rule) => ({ kind: 'add' as const, rule })),
    ...observed.rules
      .filter((rule) => !wantRules.has(ruleText(rule)))
      .map((rule) => ({ kind: 'delete' as const, rule })),
    // A route that is wanted with another MTU has been replaced by then.
    ...observed.routes
      .filter((route) => !wantKeys.has(routeKey(route)))
      .map((route) => ({ kind: 'delete' as const, route })),
  ]
}

/** What keeps packets in when there is no link: it needs none, and comes before one. */
export const isGuard = (change: RoutingChange): boolean =>
  change.kind !== 'delete' && (change.rule !== undefined || change.route.dev === undefined)

const ruleText = (rule: PolicyRule): string =>
  [rule.family, rule.priority, rule.to ?? 'all', rule.fwmark, rule.fwmask, rule.table].join(' ')

/** What the kernel tells routes apart by. */
const routeKey = ({ family, dev, metric }: DefaultRoute): string => `${family} ${dev ?? ''} ${metric}`
const routeText = (route: DefaultRoute): string =>
  `${routeKey(route)} ${route.mtuBytes ?? ''} ${route.isPlain}`

/** The arguments of `ip` for one change; the first one names the family. */
export function routingArguments(
  { kind, rule, route }: RoutingChange,
  { routingTable }: Placement,
): string[] {
  if (rule !== undefined)
    return [
      `-${rule.family}`,
      ...['rule', kind],
      ...['priority', `${rule.priority}`],
      ...(rule.to === undefined ? [] : ['to', rule.to]),
      ...['fwmark', `${hex(rule.fwmark)}/${hex(rule.fwmask)}`],
      ...['table', `${rule.table}`],
    ]
  return [
    `-${route.family}`,
    ...['route', kind === 'set' ? 'replace' : 'del'],
    ...(route.dev === undefined ? ['unreachable', 'default'] : ['default', 'dev', route.dev]),
    ...['table', `${routingTable}`],
    ...['metric', `${route.metric}`],
    ...(kind === 'set' ? ['proto', 'static'] : []),
    ...(kind === 'set' && route.dev !== undefined ? ['scope', 'global', 'mtu', `${route.mtuBytes}`] : []),
  ]
}

const ACTIONS = { add: 'add', set: 'add', delete: 'remove' } as const

export function describeRoutingChange({ kind, rule, route }: RoutingChange): Change {
  const goal = route?.dev === undefined ? 'unreachable' : `dev ${route.dev}`
  return {
    action: ACTIONS[kind],
    what:
      rule !== undefined
        ? `rule ${rule.priority} (${rule.to ?? `IPv${rule.family}`})`
        : `default route ${goal} (IPv${route.family})`,
    reason: kind === 'delete' ? 'not wanted any more' : 'missing or different',
  }
}
