import { compareBytes } from '../../../shared/byte-order.ts'
import { Last } from '../../../shared/last.ts'
import {
  type Address,
  type AddressPort,
  familyOf,
  type Prefix,
  splitPrefix,
} from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { DesiredPeer, DesiredState, Placement } from '../../model/desired.ts'
import type { Identity } from '../../model/identity.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'
import { type LocalClaim, NO_SURROUNDINGS, type Surroundings } from '../../model/surroundings.ts'
import { type HeldClaim, isRoutable } from './claims.ts'
import { type ClaimsOf, NO_PROOFS, type Proofs, planLocality } from './locality.ts'

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
  /** What each peer asks for, before it is joined to allowed IPs; by default these. */
  readonly claims?: ClaimsOf
  /** What of the mesh has no peer: it is routed like what has one, and goes nowhere. */
  readonly held?: readonly HeldClaim[]
  readonly surroundings?: Surroundings
  readonly proofs?: Proofs
  /** Of our own links. */
  readonly ownAddresses?: readonly Address[]
}

export interface DesiredPlan {
  readonly desired: DesiredState
  /** What stays local although peers claim it. */
  readonly told: readonly LocalClaim[]
}

/** What was planned the last time, for as long as it is planned of the same. */
export class DesiredRecall {
  readonly routed = new Last<RoutedPlan>()
  readonly peers = new Last<readonly DesiredPeer[]>()
}

/** All that this host is to look like, from what its peers are and how they are, and what is local to it. */
export const planDesiredState = (input: DesiredStateInput): DesiredState => planHost(input).desired

/** The same, with what it keeps from peers. */
export function planHost(input: DesiredStateInput, recall = new DesiredRecall()): DesiredPlan {
  const { placement, mtuBytes, identity, specs, statuses, endpoints, allowDownPeerBypass } = input
  const { claims, held, surroundings, proofs, ownAddresses } = input
  const parts = [specs, claims, held, surroundings, proofs, ownAddresses]
  const { told, ...routed } = recall.routed.of([...parts, ...(allowDownPeerBypass ? [statuses] : [])], () =>
    planRouted(
      allowDownPeerBypass ? specs.filter(({ publicKey }) => statuses.get(publicKey)?.state === 'up') : specs,
      input,
    ),
  )
  const desired = {
    placement,
    mtuBytes,
    address: identity.address,
    addressBits: splitPrefix(identity.subnet).bits,
    peers: recall.peers.of([specs, ...(endpoints.size === 0 ? [] : [endpoints])], () =>
      specs
        .map(({ publicKey, allowedIps }) => ({ publicKey, allowedIps, endpoint: endpoints.get(publicKey) }))
        .sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
    ),
    ...routed,
  }
  return { desired, told }
}

/**
 * What never leaves a link, or this host (RFC 6890): no route leads to it, so nobody who claims everything has it. 240.0.0.0/4 is
 * nobody's by the letter, but in use.
 */
const OF_ONE_LINK = PrefixSet.of([
  ...(['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'] as Prefix[]),
  ...(['::/127', 'fe80::/10', 'ff00::/8'] as Prefix[]),
])

type RoutedPlan = Pick<DesiredState, 'routedV4' | 'routedV6' | 'local'> & Pick<DesiredPlan, 'told'>

function planRouted(
  specs: readonly PeerSpec[],
  {
    claims,
    held = [],
    surroundings,
    proofs = NO_PROOFS,
    ownAddresses = [],
    allowDownPeerBypass,
  }: DesiredStateInput,
): RoutedPlan {
  const { routed, neighbours, kept, told } = planLocality({
    surroundings: surroundings ?? NO_SURROUNDINGS,
    ...{ proofs, ownAddresses },
    claims: [
      ...specs.map(({ publicKey, label, nodeId, allowedIps }) => ({
        ...{ label, nodeId },
        prefixes: claims?.get(publicKey) ?? allowedIps,
      })),
      ...(allowDownPeerBypass ? [] : held),
    ].map(({ label, nodeId, prefixes }) => ({
      label: label === '' ? nodeId : label,
      prefixes: prefixes.filter(isRoutable),
    })),
  })
  const prefixes = routed.subtract(OF_ONE_LINK).toPrefixes()
  return {
    routedV4: prefixes.filter((prefix) => familyOf(prefix) === 4),
    routedV6: prefixes.filter((prefix) => familyOf(prefix) === 6),
    ...(surroundings === undefined ? {} : { local: { neighbours, kept: kept.toPrefixes() } }),
    told,
  }
}
