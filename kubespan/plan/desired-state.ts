import { compareBytes } from '../../shared/byte-order.ts'
import { isUlaOfPurpose, ULA_PURPOSE } from '../../shared/identity/ula.ts'
import { type AddressPort, familyOf, type Prefix, splitPrefix } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import type { DesiredState, Placement } from '../model/desired.ts'
import type { Identity } from '../model/identity.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../model/peer.ts'

export interface DesiredStateInput {
  readonly placement: Placement
  readonly mtuBytes: number
  readonly identity: Pick<Identity, 'address' | 'subnet'>
  readonly specs: readonly PeerSpec[]
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  /** What `stepPeers` says to write; the endpoints of all other peers are left alone. */
  readonly endpoints: ReadonlyMap<PublicKey, AddressPort>
  /** Lets traffic to a peer that is not up leave in clear. By default it goes nowhere instead (SPEC 6.6). */
  readonly allowDownPeerBypass: boolean
}

/** All that this host is to look like, from what its peers are and how they are. */
export function planDesiredState(input: DesiredStateInput): DesiredState {
  const { placement, mtuBytes, identity, specs, statuses, endpoints, allowDownPeerBypass } = input
  const routed = planRouted(
    allowDownPeerBypass ? specs.filter(({ publicKey }) => statuses.get(publicKey)?.state === 'up') : specs,
  )
  return {
    placement,
    mtuBytes,
    address: identity.address,
    addressBits: splitPrefix(identity.subnet).bits,
    peers: specs
      .map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps, endpoint: endpoints.get(publicKey) }))
      .sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
    routedV4: routed.filter((prefix) => familyOf(prefix) === 4),
    routedV6: routed.filter((prefix) => familyOf(prefix) === 6),
  }
}

/** Mesh addresses are on the link itself and need no mark to find it. */
function planRouted(specs: readonly PeerSpec[]): readonly Prefix[] {
  const wanted = specs
    .flatMap(({ allowedIps }) => allowedIps)
    .filter((prefix) => !isUlaOfPurpose(splitPrefix(prefix).address, ULA_PURPOSE.kubespan))
  return PrefixSet.of(wanted).toPrefixes()
}
