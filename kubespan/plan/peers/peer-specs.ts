import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import {
  type AddressPort,
  familyOf,
  isLinkLocal,
  type Prefix,
  splitAddressPort,
  zoneOf,
} from '../../../shared/net/address.ts'
import type { PeerSpec, PublicKey } from '../../model/peer.ts'
import type { Holding } from './arbitrate-overlaps.ts'
import { type HeldClaim, planClaims, type Refusal } from './claims.ts'
import { settleOwnership } from './ownership.ts'
import type { OwnPrefixes } from './senseless-claims.ts'

export type PeerConflict =
  | Refusal
  | {
      readonly kind: 'overlap'
      /** Who asked for the prefixes and is not sent their packets. */
      readonly nodeId: string
      readonly ownerId: string
      readonly prefixes: readonly Prefix[]
    }

export interface PeerPlan {
  /** Sorted by public key. */
  readonly specs: readonly PeerSpec[]
  readonly conflicts: readonly PeerConflict[]
  /** Identical prefixes that several claim: their node ids in order of precedence. What arbitrateOverlaps works on. */
  readonly contested: ReadonlyMap<Prefix, readonly string[]>
  /** What each asks for, prefix by prefix: allowed IPs join what touches. */
  readonly claims: ReadonlyMap<PublicKey, readonly Prefix[]>
  readonly refused: readonly HeldClaim[]
}

export interface PeerPlanOptions {
  /** Our own key, which no peer may have. */
  readonly ownKey?: PublicKey
  /** Addresses of this host, which no peer may have either. */
  readonly own?: OwnPrefixes | undefined
  /**
   * Prefixes that arbitrateOverlaps handed over. When given, even empty, a more specific prefix wins over a broader one
   * whatever the ids; without it the ids alone decide, as the protocol has it.
   */
  readonly holdings?: ReadonlyMap<Prefix, Holding>
  /** Node ids of those that answer with a key, which they keep although others are said to have it. */
  readonly holders?: ReadonlyMap<PublicKey, string>
}

/**
 * Affiliates to peers (SPEC 6.1): the lowest node id has what several ask for, and who asked for it in vain is reported
 * (SPEC 9, N2).
 */
export function planPeerSpecs(
  affiliates: readonly Affiliate[],
  localNodeId: string,
  { ownKey, own, holdings, holders }: PeerPlanOptions = {},
): PeerPlan {
  const { claims, refusals, refused } = planClaims(affiliates, localNodeId, ownKey, holders, own)
  const nodeIdOf = (rank: number): string => claims[rank]?.affiliate.nodeId ?? ''
  const { owned, overlaps, contested } = settleOwnership(
    claims.map(({ prefixes }) => prefixes),
    holdings &&
      ((prefix, claimants) => {
        const holderId = holdings.get(prefix)?.holderId
        return claimants.find((rank) => nodeIdOf(rank) === holderId)
      }),
  )

  const specs = claims.map(
    ({ affiliate: { nodeId, nodename, kubespan }, address }, rank): PeerSpec => ({
      publicKey: kubespan.publicKey,
      nodeId,
      label: nodename,
      address,
      allowedIps: owned[rank] ?? [],
      endpoints: kubespan.endpoints.filter(isForAnybody),
    }),
  )
  return {
    refused,
    specs: specs.sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
    conflicts: [
      ...refusals,
      ...overlaps.map(({ loser, owner, prefixes }) => ({
        kind: 'overlap' as const,
        nodeId: nodeIdOf(loser),
        ownerId: nodeIdOf(owner),
        prefixes,
      })),
    ],
    claims: new Map(
      claims.map(({ affiliate, prefixes, ours }) => [affiliate.kubespan.publicKey, [...prefixes, ...ours]]),
    ),
    contested: new Map(Array.from(contested, ([prefix, ranks]) => [prefix, ranks.map(nodeIdOf)])),
  }
}

/** A zone is a link of the machine that wrote it, and a link-local address is of no use without one. */
const isForAnybody = (endpoint: AddressPort): boolean => {
  const { address } = splitAddressPort(endpoint)
  return zoneOf(address) === '' && !(familyOf(address) === 6 && isLinkLocal(address))
}

/** One line for people. */
export function describeConflict(conflict: PeerConflict): string {
  const who = `affiliate ${conflict.nodeId}`
  switch (conflict.kind) {
    case 'invalid key':
      return `${who} is ignored: its public key is not 32 bytes of base64`
    case 'no address':
      return `${who} is ignored: it has a public key but no KubeSpan address`
    case 'taken key':
      return `${who} is ignored: its public key belongs to ${conflict.ownerId}`
    case 'invalid prefix':
      return `${who} names an impossible prefix, which is ignored: ${conflict.prefix}`
    case 'senseless prefixes':
      return `${who} claims what no other machine can have, which is refused: ${conflict.prefixes.join(', ')}`
    case 'overlap':
      return `${who} also claims what belongs to ${conflict.ownerId}: ${conflict.prefixes.join(', ')}`
    default:
      return conflict satisfies never
  }
}
