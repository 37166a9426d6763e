import type { Family } from '../../shared/net/address.ts'
import { UNREACHABLE_METRIC } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'

/** A policy rule that sends packets with a mark to a table. */
export interface PolicyRule {
  readonly family: Family
  readonly priority: number
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
}

export interface RoutingView {
  readonly rules: readonly PolicyRule[]
  readonly routes: readonly DefaultRoute[]
}

interface RuleRow {
  readonly priority: number
  readonly src?: string
  readonly fwmark?: string
  readonly fwmask?: string
  readonly table?: string
}

/** All that a rule of ours says; one with any other condition or action is somebody else's. */
const RULE_FIELDS = new Set(['priority', 'src', 'fwmark', 'fwmask', 'table', 'protocol'])
const FULL_MASK = 0xffffffff

/** `ip -json -N rule` → the rules that differ from ours in their priority at most. */
export function parseOwnRules(text: string, family: Family, placement: Placement): PolicyRule[] {
  return parseRows<RuleRow>(text).flatMap((row) => {
    if (row.fwmark === undefined || row.src !== 'all') return []
    if (Object.keys(row).some((field) => !RULE_FIELDS.has(field))) return []
    const rule = {
      family,
      priority: row.priority,
      fwmark: Number(row.fwmark),
      fwmask: Number(row.fwmask ?? FULL_MASK),
      table: Number(row.table),
    }
    const isOurs =
      rule.fwmark === placement.routeFwmark &&
      rule.fwmask === placement.fwmarkMask &&
      rule.table === placement.routingTable
    return isOurs ? [rule] : []
  })
}

interface RouteRow {
  readonly type?: string
  readonly dst: string
  readonly dev?: string
  readonly gateway?: string
  readonly metric?: number
  readonly metrics?: readonly { readonly mtu?: number }[]
}

/**
 * `ip -json route show table …` of our table → the default routes through our link, and the one of last resort that
 * refuses. All others are left alone.
 */
export function parseOwnRoutes(text: string, family: Family, placement: Placement): DefaultRoute[] {
  return parseRows<RouteRow>(text).flatMap(({ type, dst, dev, gateway, metric = 0, metrics }) => {
    if (dst !== 'default' || gateway !== undefined) return []
    const isLastResort = type === 'unreachable' && metric === UNREACHABLE_METRIC
    const isThroughLink = type === undefined && dev === placement.linkName
    if (!isLastResort && !isThroughLink) return []
    const mtuBytes = metrics?.find(({ mtu }) => mtu !== undefined)?.mtu
    return [{ family, dev: isLastResort ? undefined : dev, metric, mtuBytes }]
  })
}

/** `ip` prints nothing at all, or a list with empty objects in it, when there is nothing to show. */
function parseRows<Row extends object>(text: string): Row[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Row[])
  return rows.filter((row) => Object.keys(row).length > 0)
}
