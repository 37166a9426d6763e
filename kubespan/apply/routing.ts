import type { Family } from '../../shared/net/address.ts'
import type { Change } from '../diff/change.ts'
import { describeRoutingChange, type RoutingChange, routingArguments } from '../diff/routing.ts'
import { parseOwnRoutes, parseOwnRules, type RoutingView } from '../diff/routing-view.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { Placement } from '../model/desired.ts'

/** The families that this kernel has; one started without IPv6 refuses everything of it. */
export async function observeFamilies(host: Host): Promise<readonly Family[]> {
  return (await host.readSetting('ipv6/conf/all/disable_ipv6')) === undefined ? [4] : [4, 6]
}

/** The rules and routes that are ours. */
export async function observeRouting(
  host: Host,
  placement: Placement,
  families: readonly Family[],
): Promise<RoutingView> {
  const views = await Promise.all(
    families.map(async (family) => {
      const [rules, routes] = await Promise.all([
        host.run('ip', ['-json', '-N', `-${family}`, 'rule', 'show']),
        showTable(host, family, placement.routingTable),
      ])
      return {
        rules: parseOwnRules(rules, family, placement),
        routes: parseOwnRoutes(routes, family, placement),
      }
    }),
  )
  return { rules: views.flatMap(({ rules }) => rules), routes: views.flatMap(({ routes }) => routes) }
}

/** A table that no route was ever put into does not exist. */
async function showTable(host: Host, family: Family, table: number): Promise<string> {
  try {
    return await host.run('ip', ['-json', `-${family}`, 'route', 'show', 'table', `${table}`])
  } catch (error) {
    if (error instanceof ToolError && /table does not exist/.test(error.stderr)) return ''
    throw error
  }
}

export async function applyRouting(
  host: Host,
  placement: Placement,
  changes: readonly RoutingChange[],
): Promise<Change[]> {
  for (const change of changes) await host.run('ip', routingArguments(change, placement))
  return changes.map(describeRoutingChange)
}
