import { compareBytes } from '../../../shared/byte-order.ts'
import { machineIdOf } from '../../../shared/identity/node-id.ts'
import type { ObservedLink } from '../../model/observed.ts'

/**
 * The hardware address that the node's ULA is made of (SPEC 3.3): of the physical link whose name sorts first, whether
 * it is up or not. Undefined where there is no physical link, as in containers.
 */
export function chooseMac(links: readonly ObservedLink[]): string | undefined {
  return links.filter(({ isPhysical }) => isPhysical).sort((a, b) => compareBytes(a.name, b.name))[0]?.mac
}

/**
 * An EUI-64 for a node without a physical link: its virtual ones come and go, and their addresses with them, but
 * the node id stays. Undefined for what is no node id.
 */
export function macOfNodeId(nodeId: string): string | undefined {
  return machineIdOf(nodeId)?.slice(0, 16).match(/../g)?.join(':')
}
