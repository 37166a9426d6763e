import type { Family } from '../../shared/net/address.ts'
import type { Change } from '../diff/change.ts'
import { describeRoutingChange, type RoutingChange, routingArguments } from '../diff/routing.ts'
import {
  hasAddress,
  hasRoute,
  type ObservedRouting,
  parseOwnRoutes,
  parseOwnRules,
  parseTableRoutes,
} from '../diff/routing-view.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { Placement } from '../model/desired.ts'
import { parseRules } from '../model/policy-rule.ts'

/** The families that this kernel has; one started without IPv6 refuses everything of it. */
export async function observeFamilies(host: Host): Promise<readonly Family[]> {
  return (await host.readSetting('ipv6/conf/all/disable_ipv6')) === undefined ? [4] : [4, 6]
}

/** The rules and routes that are ours, and whether there are default routes of others. */
export async function observeRouting(
  host: Host,
  placement: Placement,
  families: readonly Family[],
): Promise<ObservedRouting> {
  const views = await Promise.all(
    families.map(async (family) => {
      const { rules, routes, defaults, addresses } = await showRouting(host, family, placement.routingTable)
      return {
        rules: parseOwnRules(rules, family, placement),
        routes: parseOwnRoutes(routes, family, placement),
        // The mesh address is one of IPv6. Without any of IPv4 the tunnel would be given packets from nowhere.
        allRules: parseRules(rules, family),
        tableRoutes: parseTableRoutes(routes, family),
        stranded: !hasRoute(defaults) && (family === 6 || hasAddress(addresses)) ? [family] : [],
      }
    }),
  )
  return {
    rules: views.flatMap(({ rules }) => rules),
    routes: views.flatMap(({ routes }) => routes),
    stranded: views.flatMap(({ stranded }) => stranded),
    allRules: views.flatMap(({ allRules }) => allRules),
    tableRoutes: views.flatMap(({ tableRoutes }) => tableRoutes),
  }
}

const ALWAYS = ['rule show', 'route show default', 'address show scope global up']

/** All questions to one process: its start is what costs. */
async function showRouting(
  host: Host,
  family: Family,
  table: number,
): Promise<Readonly<Record<'rules' | 'routes' | 'defaults' | 'addresses', string>>> {
  const ask = async (...questions: readonly string[]): Promise<readonly string[]> => {
    const input = questions.map((question) => `${question}\n`).join('')
    const text = await host.run('ip', ['-json', '-N', `-${family}`, '-batch', '-'], input)
    return text.split('\n')
  }
  try {
    const answers = await ask(...ALWAYS, `route show table ${table}`)
    const [rules = '', defaults = '', addresses = '', routes = ''] = answers
    return { rules, routes, defaults, addresses }
  } catch (error) {
    // A table that no rule names and that no route was ever put into does not exist.
    if (!(error instanceof ToolError && /table does not exist/.test(error.stderr))) throw error
    const [rules = '', defaults = '', addresses = ''] = await ask(...ALWAYS)
    return { rules, routes: '', defaults, addresses }
  }
}

/** In order; those of one family that follow each other in one process. */
export async function applyRouting(
  host: Host,
  placement: Placement,
  changes: readonly RoutingChange[],
): Promise<Change[]> {
  const batches: { readonly family: string; readonly lines: string[][] }[] = []
  for (const change of changes) {
    const [family = '', ...line] = routingArguments(change, placement)
    const batch = batches.at(-1)
    if (batch?.family === family) batch.lines.push(line)
    else batches.push({ family, lines: [line] })
  }
  for (const { family, lines } of batches)
    if (lines.length === 1) await host.run('ip', [family, ...lines.flat()])
    else await host.run('ip', [family, '-batch', '-'], lines.map((line) => `${line.join(' ')}\n`).join(''))
  return changes.map(describeRoutingChange)
}
