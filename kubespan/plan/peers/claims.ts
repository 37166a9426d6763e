import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import { isUlaOfPurpose, ULA_PURPOSE } from '../../../shared/identity/ula.ts'
import {
  type Address,
  hostPrefix,
  isValidPrefix,
  maskPrefix,
  type Prefix,
  splitPrefix,
} from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { PublicKey } from '../../model/peer.ts'
import { type OwnPrefixes, partSenseless } from './senseless-claims.ts'

/** What one affiliate asks for, before it is weighed against the others. */
export interface Claim {
  readonly affiliate: Affiliate
  readonly address: Address
  /** Masked and distinct, exclusions and what makes no sense taken out, the KubeSpan address always among them. */
  readonly prefixes: readonly Prefix[]
  /** Single addresses of this very host: whoever asks is not sent them. */
  readonly ours: readonly Prefix[]
}

/** Why an affiliate, or a part of what it asks for, was turned away. */
export type Refusal =
  | { readonly kind: 'invalid key'; readonly nodeId: string; readonly publicKey: PublicKey }
  | { readonly kind: 'no address'; readonly nodeId: string }
  | {
      readonly kind: 'taken key'
      readonly nodeId: string
      readonly publicKey: PublicKey
      readonly ownerId: string
    }
  | { readonly kind: 'invalid prefix'; readonly nodeId: string; readonly prefix: Prefix }
  | { readonly kind: 'senseless prefixes'; readonly nodeId: string; readonly prefixes: readonly Prefix[] }

export interface Claims {
  /** In the byte order of the node ids, which is the order of precedence. */
  readonly claims: readonly Claim[]
  readonly refusals: readonly Refusal[]
  /** What those ask for who are turned away whole: nobody is sent it, and it is not sent in clear either. */
  readonly refused: readonly HeldClaim[]
}

/** Prefixes of the mesh that have no peer. */
export interface HeldClaim {
  readonly nodeId: string
  /** Their node's name; empty when it has none. */
  readonly label: string
  readonly prefixes: readonly Prefix[]
}

/** Standard base64 of exactly 32 bytes: `wg` would refuse the whole configuration for anything else. */
const PUBLIC_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/**
 * Reads every affiliate but our own as a claim (SPEC 6.1). One key has one owner: who is up with it, by `holders`, else the
 * lowest id that can be a peer (SPEC 9, N1); ours is never another's. Of what an affiliate advertises only the invalid part is
 * dropped (N3), and what makes no sense.
 */
export function planClaims(
  affiliates: readonly Affiliate[],
  localNodeId: string,
  ownKey: PublicKey | undefined,
  holders: ReadonlyMap<PublicKey, string> = new Map(),
  own?: OwnPrefixes,
): Claims {
  const claims: Claim[] = []
  const refusals: Refusal[] = []
  const refused: HeldClaim[] = []
  const owners = new Map([
    ...affiliates.flatMap(({ nodeId, kubespan: { publicKey, address } }): [PublicKey, string][] =>
      holders.get(publicKey) === nodeId && address !== undefined ? [[publicKey, nodeId]] : [],
    ),
    ...(ownKey === undefined ? [] : [[ownKey, localNodeId] as const]),
  ])

  for (const affiliate of affiliates.toSorted((a, b) => compareBytes(a.nodeId, b.nodeId))) {
    const { nodeId, kubespan } = affiliate
    const { publicKey, address } = kubespan
    if (nodeId === localNodeId || publicKey === '') continue
    const ownerId = owners.get(publicKey) ?? nodeId
    const { prefixes, invalid } = claimedPrefixes(affiliate)
    const refuse = (refusal: Refusal): void => {
      refusals.push(refusal)
      refused.push({ nodeId, label: affiliate.nodename, prefixes })
    }
    if (!PUBLIC_KEY.test(publicKey)) refuse({ kind: 'invalid key', nodeId, publicKey })
    else if (address === undefined) refuse({ kind: 'no address', nodeId })
    else if (ownerId !== nodeId) refuse({ kind: 'taken key', nodeId, publicKey, ownerId })
    else {
      owners.set(publicKey, nodeId)
      const { senseless, ...parted } = partSenseless(prefixes, own)
      claims.push({ affiliate, address, ...parted })
      if (senseless.length > 0) refusals.push({ kind: 'senseless prefixes', nodeId, prefixes: senseless })
      for (const prefix of invalid) refusals.push({ kind: 'invalid prefix', nodeId, prefix })
    }
  }
  return { claims, refusals, refused }
}

/** What an affiliate would be sent if it were the only one; nothing without a key. */
export const claimedBy = (affiliate: Affiliate): readonly Prefix[] =>
  affiliate.kubespan.publicKey === ''
    ? []
    : partSenseless(claimedPrefixes(affiliate).prefixes, undefined).prefixes

/** What of it leaves in clear when nobody is sent it. */
export const heldBy = (affiliate: Affiliate): readonly Prefix[] => claimedBy(affiliate).filter(isRoutable)

/** Mesh addresses are on the link itself: they need no mark to find it, and nothing else leads to them. */
export const isRoutable = (prefix: Prefix): boolean =>
  !isUlaOfPurpose(splitPrefix(prefix).address, ULA_PURPOSE.kubespan)

function claimedPrefixes({ addresses, kubespan }: Affiliate) {
  const advertised = [...kubespan.additionalAddresses, ...addresses.map(hostPrefix)]
  const { excludeAdvertisedNetworks } = kubespan
  const invalid = [...advertised, ...excludeAdvertisedNetworks].filter((prefix) => !isValidPrefix(prefix))
  const valid = new Set(advertised.filter(isValidPrefix).map(maskPrefix))
  const excluded = PrefixSet.of(excludeAdvertisedNetworks.filter(isValidPrefix))
  const kept = excluded.isEmpty ? valid : new Set([...valid].flatMap((prefix) => without(prefix, excluded)))
  if (kubespan.address !== undefined) kept.add(hostPrefix(kubespan.address))
  return { prefixes: [...kept], invalid }
}

const without = (prefix: Prefix, excluded: PrefixSet): Prefix[] =>
  PrefixSet.of([prefix]).subtract(excluded).toPrefixes()
