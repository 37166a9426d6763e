import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import type { Address } from '../../../shared/net/address.ts'
import { compareAddresses } from '../../../shared/net/address.ts'
import type { Member } from '../../model/affiliate.ts'

/**
 * The affiliates that have a node name, the local one included, sorted by it (SPEC 4). Of two with one name
 * the one with the higher node id is shown.
 */
export function planMembers(affiliates: readonly Affiliate[]): Member[] {
  const members = new Map<string, Member>()
  for (const affiliate of affiliates.toSorted((a, b) => compareBytes(a.nodeId, b.nodeId))) {
    const { nodename, nodeId, hostname, machineType, operatingSystem, addresses, controlPlane } = affiliate
    if (nodename === '') continue
    members.set(nodename, {
      id: nodename,
      nodeId,
      hostname,
      machineType,
      operatingSystem,
      addresses,
      controlPlane,
    })
  }
  return [...members.values()].sort((a, b) => compareBytes(a.id, b.id))
}

/** Where control plane nodes are, ascending. An address that two of them claim is there twice. */
export function controlPlaneEndpoints(members: readonly Member[]): Address[] {
  return members
    .filter(({ machineType }) => machineType === 'controlplane' || machineType === 'init')
    .flatMap(({ addresses }) => addresses)
    .sort(compareAddresses)
}
