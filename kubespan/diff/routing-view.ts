import { bitsOf, type Family, type Prefix, parsePrefix } from '../../shared/net/address.ts'
import { LAST_RESORT_PRIORITY, UNREACHABLE_METRIC } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'
import type { AnyRule } from '../model/policy-rule.ts'

/** A policy rule that sends packets with a mark to a table. */
export interface PolicyRule {
  readonly family: Family
  readonly priority: number
  /** Undefined: anywhere. */
  readonly to: Prefix | undefined
  readonly fwmark: number
  readonly fwmask: number
  readonly table: number
}

/** A default route of our table. */
export interface DefaultRoute {
  readonly family: Family
  /** Undefined for the one that refuses what it matches. */
  readonly dev: string | undefined
  readonly metric: number
  /** Undefined when the route says nothing of it. */
  readonly mtuBytes: number | undefined
  /** Nothing but this is set of it, as we do. */
  readonly isPlain: boolean
}

export interface RoutingView {
  readonly rules: readonly PolicyRule[]
  readonly routes: readonly DefaultRoute[]
}

/** With what is not ours, but decides about what we want. */
export interface ObservedRouting extends RoutingView {
  /** Families in which the host has an address to send from, but no default route. */
  readonly stranded: readonly Family[]
  /** All rules, family by family, in the order in which the kernel asks. */
  readonly allRules: readonly AnyRule[]
  /** All routes of our table. */
  readonly tableRoutes: readonly TableRoute[]
}

/** Any route of a table. */
export interface TableRoute {
  readonly family: Family
  readonly prefix: Prefix
  /** Undefined where it leads nowhere, or to several links. */
  readonly dev: string | undefined
  /** What it is for is left to the next rule. */
  readonly isThrow: boolean
  /** What it is for is delivered on this host, as to a proxy. */
  readonly isLocal: boolean
  /** It is the one of ours that refuses. */
  readonly isLastResort: boolean
  /** As `ip route` says it. */
  readonly words: string
}

interface RuleRow {
  readonly priority: number
  readonly src?: string
  readonly dst?: string
  readonly dstlen?: number
  readonly fwmark?: string
  readonly fwmask?: string
  readonly table?: string
}

/** All that a rule of ours says; one with any other condition or action is somebody else's. */
const RULE_FIELDS = new Set(['priority', 'src', 'dst', 'dstlen', 'fwmark', 'fwmask', 'table', 'protocol'])
const FULL_MASK = 0xffffffff

/**
 * `ip -json -N rule` → the rules that differ from ours in their priority at most, and those of last resort, wherever they
 * lead to.
 */
export function parseOwnRules(text: string, family: Family, placement: Placement): PolicyRule[] {
  return parseRows<RuleRow>(text).flatMap((row) => {
    if (row.fwmark === undefined || row.src !== 'all') return []
    if (Object.keys(row).some((field) => !RULE_FIELDS.has(field))) return []
    const isLastResort = row.priority === LAST_RESORT_PRIORITY && Number(row.fwmark) === 0
    const rule = {
      family,
      priority: row.priority,
      to: isLastResort ? parsePrefix(`${row.dst}/${row.dstlen ?? bitsOf(family)}`) : undefined,
      fwmark: Number(row.fwmark),
      fwmask: Number(row.fwmask ?? FULL_MASK),
      table: Number(row.table),
    }
    const isOurs = isLastResort
      ? rule.to !== undefined
      : row.dst === undefined && rule.fwmark === placement.routeFwmark
    const isSame = rule.fwmask === placement.fwmarkMask && rule.table === placement.routingTable
    return isOurs && isSame ? [rule] : []
  })
}

interface RouteRow {
  readonly type?: string
  readonly dst: string
  readonly dev?: string
  readonly gateway?: string
  readonly protocol?: string
  readonly metric?: number
  readonly metrics?: readonly { readonly mtu?: number }[]
  readonly flags?: readonly string[]
  readonly pref?: string
}

/** What a route of ours says; with anything else, as a source address, it is no longer as we set it. */
const ROUTE_FIELDS = new Set(['type', 'dst', 'dev', 'protocol', 'metric', 'metrics', 'flags', 'pref'])
/** Numbers of rtnetlink(7), as -N prints them. */
const UNREACHABLE = '7'
const THROW = '9'
const LOCAL = '2'
const STATIC = '4'
/** Of a link that is down; nobody set these. */
const STATES = new Set(['linkdown', 'dead'])
const PREFERENCES: readonly (string | undefined)[] = [undefined, 'medium']

/**
 * `ip -json -N route show table …` of our table → the default routes through our link, and the one of last resort that
 * refuses. All others are left alone.
 */
export function parseOwnRoutes(text: string, family: Family, placement: Placement): DefaultRoute[] {
  return parseRows<RouteRow>(text).flatMap((row) => {
    const { type, dst, dev, gateway, metric = 0, metrics } = row
    if (dst !== 'default' || gateway !== undefined) return []
    const isLastResort = type === UNREACHABLE && metric === UNREACHABLE_METRIC
    const isThroughLink = type === undefined && dev === placement.linkName
    if (!isLastResort && !isThroughLink) return []
    const mtuBytes = metrics?.find(({ mtu }) => mtu !== undefined)?.mtu
    return [{ family, dev: isLastResort ? undefined : dev, metric, mtuBytes, isPlain: isPlain(row) }]
  })
}

const isPlain = ({ protocol, metrics = [], flags = [], pref, ...row }: RouteRow): boolean =>
  protocol === STATIC &&
  PREFERENCES.includes(pref) &&
  flags.every((flag) => STATES.has(flag)) &&
  metrics.every((metric) => Object.keys(metric).every((name) => name === 'mtu')) &&
  Object.keys(row).every((field) => ROUTE_FIELDS.has(field))

const TYPES: Readonly<Record<string, string>> = {
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
}
const EVERYTHING: Readonly<Record<Family, Prefix>> = { 4: '0.0.0.0/0' as Prefix, 6: '::/0' as Prefix }

/** `ip -json -N route show table …` of any table. */
export function parseTableRoutes(text: string, family: Family): TableRoute[] {
  return parseRows<RouteRow>(text).flatMap(({ type, dst, dev, gateway, metric = 0 }) => {
    const prefix =
      dst === 'default'
        ? EVERYTHING[family]
        : parsePrefix(dst.includes('/') ? dst : `${dst}/${bitsOf(family)}`)
    if (prefix === undefined) return []
    const words = [
      TYPES[type ?? ''],
      dst,
      gateway === undefined ? undefined : `via ${gateway}`,
      dev === undefined ? undefined : `dev ${dev}`,
    ].filter((word) => word !== undefined)
    return [
      {
        family,
        prefix,
        dev,
        isThrow: type === THROW,
        isLocal: type === LOCAL,
        isLastResort: dst === 'default' && type === UNREACHABLE && metric === UNREACHABLE_METRIC,
        words: words.join(' '),
      },
    ]
  })
}

/** Whether a default route is in the answer of `ip -json -N route show default`. */
export const hasRoute = (text: string): boolean => parseRows<RouteRow>(text).length > 0

/** Whether an address is in the answer of `ip -json -N address show scope global`. Links without any may be listed as well. */
export const hasAddress = (text: string): boolean =>
  parseRows<{ readonly addr_info?: readonly unknown[] }>(text).some(
    ({ addr_info = [] }) => addr_info.length > 0,
  )

/** `ip` prints nothing at all, or a list with empty objects in it, when there is nothing to show. */
function parseRows<Row extends object>(text: string): Row[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Row[])
  return rows.filter((row) => Object.keys(row).length > 0)
}
