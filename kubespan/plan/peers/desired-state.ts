import { compareBytes } from '../../../shared/byte-order.ts'
import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import { Last } from '../../../shared/last.ts'
import { type AddressPort, familyOf, type Prefix, splitPrefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { DesiredPeer, DesiredState, Placement } from '../../model/desired.ts'
import type { Identity } from '../../model/identity.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'

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

/** What was planned the last time, for as long as it is planned of the same. */
export class DesiredRecall {
  readonly routed = new Last<Pick<DesiredState, 'routedV4' | 'routedV6'>>()
  readonly peers = new Last<readonly DesiredPeer[]>()
}

/** All that this host is to look like, from what its peers are and how they are. */
export function planDesiredState(input: DesiredStateInput, recall = new DesiredRecall()): DesiredState {
  const { placement, mtuBytes, identity, specs, statuses, endpoints, allowDownPeerBypass } = input
  return {
    placement,
    mtuBytes,
    address: identity.address,
    addressBits: splitPrefix(identity.subnet).bits,
    peers: recall.peers.of([specs, ...(endpoints.size === 0 ? [] : [endpoints])], () =>
      specs
        .map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps, endpoint: endpoints.get(publicKey) }))
        .sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
    ),
    ...recall.routed.of([specs, ...(allowDownPeerBypass ? [statuses] : [])], () =>
      planRouted(
        allowDownPeerBypass
          ? specs.filter(({ publicKey }) => statuses.get(publicKey)?.state === 'up')
          : specs,
      ),
    ),
  }
}

/**
 * What never leaves a link, or this host (RFC 6890): no route leads to it, so nobody who claims everything has it. 240.0.0.0/4 is
 * nobody's by the letter, but in use.
 */
const OF_ONE_LINK = PrefixSet.of([
  ...(['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'] as Prefix[]),
  ...(['::/127', 'fe80::/10', 'ff00::/8'] as Prefix[]),
])

/** Mesh addresses are on the link itself and need no mark to find it. */
function planRouted(specs: readonly PeerSpec[]): Pick<DesiredState, 'routedV4' | 'routedV6'> {
  const wanted = specs
    .flatMap(({ allowedIps }) => allowedIps)
    .filter((prefix) => !isUlaOfPurpose(splitPrefix(prefix).address, ULA_PURPOSE.kubespan))
  const routed = PrefixSet.of(wanted).subtract(OF_ONE_LINK).toPrefixes()
  return {
    routedV4: routed.filter((prefix) => familyOf(prefix) === 4),
    routedV6: routed.filter((prefix) => familyOf(prefix) === 6),
  }
}
