import { PrefixSet } from '../../shared/net/prefix-set.ts'
import type { Change } from '../diff/change.ts'
import { type ShownRules, shownRules } from '../diff/nft-chains.ts'
import { GUARDED_PORTS, planNftTable } from '../diff/nft-table.ts'
import { type NftTableView, parseNftTable } from '../diff/nft-view.ts'
import { diffNftTable, restoreScript } from '../diff/nftables.ts'
import { olderConnectionsScript, parseAccepted } from '../diff/older-connections.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { DesiredState } from '../model/desired.ts'
import type { WireGuardView } from '../model/peer.ts'

/** Undefined when there is no such table. */
export const observeNftTable = (host: Host, name: string): Promise<NftTableView | undefined> =>
  listTable(host, ['-j', 'list', 'table', 'inet', name])

async function listTable(host: Host, args: readonly string[]): Promise<NftTableView | undefined> {
  try {
    return parseNftTable(await host.run('nft', args))
  } catch (error) {
    if (error instanceof ToolError && /No such file or directory/.test(error.stderr)) return undefined
    throw error
  }
}

/** Our table on one host, with what nft showed of the rules that we wrote. Rules of an earlier run are written once more. */
export class NftTableKeeper {
  #shown: ShownRules = new Map()
  #restore: string | undefined

  /** Brings the table in line. Nothing is written when it is. */
  async apply(
    host: Host,
    desired: DesiredState,
    observed: NftTableView | undefined,
    view: WireGuardView | undefined,
  ): Promise<readonly Change[]> {
    const { nftTable } = desired.placement
    const wanted = planNftTable(desired)
    const { scripts, changes, writesChains } = diffNftTable(nftTable, wanted, observed, this.#shown)
    // What was wanted before is not to be restored over what is written now.
    this.#restore = undefined
    for (const script of scripts) await host.run('nft', ['-f', '-'], script)
    this.#restore = restoreScript(nftTable, wanted)
    // Without the elements of sets.
    if (writesChains)
      this.#shown = shownRules(await listTable(host, ['-j', '-t', 'list', 'table', 'inet', nftTable]))
    const guarded = new Set(observed?.sets.get(GUARDED_PORTS)?.elements)
    const fresh = desired.bypass?.localPorts.filter((port) => !guarded.has(`${port}`)) ?? []
    if (fresh.length > 0) await letOlderAnswer(host, desired, fresh, view)
    return changes
  }

  /** From now on there is none to be restored. */
  forget(): void {
    this.#restore = undefined
  }

  /** Writes the table as it was wanted last, without a look at anything: when it is gone, every millisecond counts. */
  async restore(host: Pick<Host, 'run'>): Promise<void> {
    if (this.#restore !== undefined) await host.run('nft', ['-f', '-'], this.#restore)
  }
}

/** After the ports are guarded, because from then on every new connection is marked: none is missed in between. */
async function letOlderAnswer(
  host: Host,
  { placement }: DesiredState,
  ports: readonly number[],
  view: WireGuardView | undefined,
): Promise<void> {
  const heard = [...(view?.peers.values() ?? [])]
    .filter(({ receiveBytes }) => receiveBytes > 0)
    .flatMap(({ allowedIps }) => allowedIps)
  const script = olderConnectionsScript(
    placement,
    parseAccepted(await host.tcpSockets()),
    ports,
    PrefixSet.of(heard),
  )
  if (script !== '') await host.run('nft', ['-f', '-'], script)
}
