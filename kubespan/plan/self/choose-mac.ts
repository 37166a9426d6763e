import { compareBytes } from '../../../shared/byte-order.ts'
import { machineIdOf } from '../../../shared/identity/node-id.ts'
import type { ObservedLink } from '../../model/observed.ts'

/**
 * The hardware address that the node's ULA is made of (SPEC 3.3): of the physical link whose name sorts first, whether
 * it is up or not. Undefined where there is no physical link, as in containers.
 *
 * Of a card whose address was made up, as for privacy, the permanent one counts, or the node would have another address after the
 * next start. What a bond gave to its ports stays, and so does another manufacturer's address that somebody gave to the card: those
 * last, and nodes that run have their addresses from them.
 */
export function chooseMac(links: readonly ObservedLink[]): string | undefined {
  const [first] = links.filter(({ isPhysical }) => isPhysical).sort((a, b) => compareBytes(a.name, b.name))
  if (first === undefined) return undefined
  const { mac, permanentMac, masterKind = '' } = first
  const isMadeUp = mac === undefined || (isLocal(mac) && !AGGREGATES.has(masterKind))
  return isMadeUp && permanentMac !== undefined && isSet(permanentMac) ? permanentMac : mac
}

/** Administered locally, that is by no manufacturer (IEEE 802). */
const isLocal = (mac: string): boolean => (Number.parseInt(mac, 16) & 0x02) !== 0
const isSet = (mac: string): boolean => /[^0:]/.test(mac)
/** Their ports all use one address. */
const AGGREGATES: ReadonlySet<string> = new Set(['bond', 'team'])

/**
 * An EUI-64 for a node without a physical link: its virtual ones come and go, and their addresses with them, but
 * the node id stays. Undefined for what is no node id.
 */
export function macOfNodeId(nodeId: string): string | undefined {
  return machineIdOf(nodeId)?.slice(0, 16).match(/../g)?.join(':')
}
