import { type Family, prefixOf } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import { type Detour, type DetourInput, describeDetours, findDetours, tablesBefore } from '../diff/detours.ts'
import { type ObservedRouting, parseTableRoutes, type TableRoute } from '../diff/routing-view.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { DesiredState } from '../model/desired.ts'

export interface DetourReport {
  readonly detours: readonly Detour[]
  /** Numbers of the tables of others that decide about it: with another route in one there may be another detour. */
  readonly tables: ReadonlySet<number>
}

type Routed = Pick<
  DesiredState,
  'placement' | 'address' | 'addressBits' | 'routedV4' | 'routedV6' | 'forwarding'
>
type Seen = Pick<ObservedRouting, 'allRules' | 'tableRoutes'>

/** What others have put in the way of packets for the mesh. On most hosts there is nothing to be asked for that. */
export async function observeDetours(
  host: Pick<Host, 'run'>,
  routed: Routed,
  routing: Seen,
): Promise<DetourReport> {
  const inputs = await Promise.all(
    ([4, 6] as const).map((family) => observeInput(host, family, routed, routing)),
  )
  const tables = inputs.flatMap((input) => [...input.tables.keys()])
  return {
    detours: describeDetours(inputs.map(findDetours), routed.placement),
    tables: new Set(tables.filter((table) => table !== routed.placement.routingTable)),
  }
}

async function observeInput(
  host: Pick<Host, 'run'>,
  family: Family,
  { placement, address, addressBits, routedV4, routedV6, forwarding }: Routed,
  { allRules, tableRoutes }: Seen,
): Promise<DetourInput> {
  const rules = allRules.filter((rule) => rule.family === family)
  // Mesh addresses are on the link, but only for those who look there.
  const routed = family === 4 ? routedV4 : [...routedV6, prefixOf(address, addressBits)]
  const sources = forwarding && PrefixSet.of(forwarding.sources)
  const input = { placement, rules, routed: PrefixSet.of(routed), sources }
  const own = tableRoutes.filter((route) => route.family === family)
  const others = [...tablesBefore(input)].filter((table) => table !== placement.routingTable)
  // What cannot be shown may lead anywhere, and stops nothing.
  const shown = others.map((table) =>
    showTable(host, family, table).then(
      (routes) => [[table, routes] as const],
      () => [],
    ),
  )
  return { ...input, tables: new Map([[placement.routingTable, own], ...(await Promise.all(shown)).flat()]) }
}

/** Any table of others. */
export async function showTable(
  host: Pick<Host, 'run'>,
  family: Family,
  table: number,
): Promise<TableRoute[]> {
  try {
    const args = ['-json', '-N', `-${family}`, 'route', 'show', 'table', `${table}`]
    return parseTableRoutes(await host.run('ip', args), family)
  } catch (error) {
    if (error instanceof ToolError && /table does not exist/.test(error.stderr)) return []
    throw error
  }
}
