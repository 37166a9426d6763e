import type { AddressPort } from '../../shared/net/address.ts'
import { deafenScript, hearAgainScript } from '../diff/deaf-chain.ts'
import type { Host } from '../host/host.ts'
import type { Placement } from '../model/desired.ts'

/**
 * Drops what arrives for WireGuard from these sources and no others, for a few seconds at most.
 * @throws ToolError where nft cannot, or our table is not there
 */
export async function deafen(
  host: Pick<Host, 'run'>,
  placement: Placement,
  sources: readonly AddressPort[],
): Promise<void> {
  const script = sources.length === 0 ? hearAgainScript(placement) : deafenScript(placement, sources)
  await host.run('nft', ['-f', '-'], script)
}
