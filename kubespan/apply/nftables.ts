import type { Change } from '../diff/change.ts'
import { planNftTable } from '../diff/nft-table.ts'
import { type NftTableView, parseNftTable } from '../diff/nft-view.ts'
import { diffNftTable } from '../diff/nftables.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { DesiredState } from '../model/desired.ts'

/** Undefined when there is no such table. */
export async function observeNftTable(host: Host, name: string): Promise<NftTableView | undefined> {
  try {
    return parseNftTable(await host.run('nft', ['-j', 'list', 'table', 'inet', name]))
  } catch (error) {
    if (error instanceof ToolError && /No such file or directory/.test(error.stderr)) return undefined
    throw error
  }
}

/** Brings our table in line, in one transaction or none. */
export async function applyNftables(
  host: Host,
  desired: DesiredState,
  observed: NftTableView | undefined,
): Promise<readonly Change[]> {
  const { script, changes } = diffNftTable(desired.placement.nftTable, planNftTable(desired), observed)
  if (script !== '') await host.run('nft', ['-f', '-'], script)
  return changes
}
