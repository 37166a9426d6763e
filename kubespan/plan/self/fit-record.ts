import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import {
  AFFILIATE_PLAINTEXT_MAX_BYTES,
  encodeAffiliate,
  SEALED_AT_BYTES,
} from '../../../shared/affiliate/codec.ts'
import type { Address, Prefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'

export interface FittedRecord {
  readonly affiliate: Affiliate
  /** What it has no room for. */
  readonly addresses: readonly Address[]
  readonly networks: readonly Prefix[]
  readonly exclusions: readonly Prefix[]
}

/** So many addresses come before the networks, which may be thousands. */
const ADDRESSES_FIRST = 8
/** Nothing is decided by it, and it is the one text whose end nobody needs. */
const OPERATING_SYSTEM_MAX_CHARACTERS = 64

/**
 * As much of what a node says of itself as a discovery service takes (SPEC 2.1): the affiliate itself, unless it is too large.
 * What is too large is refused as a whole, and the node would be unknown to all others. `bestAddresses` are all of the
 * affiliate's, the most useful first.
 *
 * Room is given to the best addresses, then to exclusions, then to networks, then to all other addresses. What an exclusion without
 * room would have kept peers from sending here is itself left out.
 */
export function fitRecord(affiliate: Affiliate, bestAddresses: readonly Address[]): FittedRecord {
  if (hasRoom(affiliate)) return { affiliate, addresses: [], networks: [], exclusions: [] }
  const { excludeAdvertisedNetworks, additionalAddresses } = affiliate.kubespan
  const lean = {
    ...affiliate,
    operatingSystem: affiliate.operatingSystem.slice(0, OPERATING_SYSTEM_MAX_CHARACTERS),
  }
  const exclusions = PrefixSet.of(excludeAdvertisedNetworks).toPrefixes()
  const saidExclusions = asManyAsFit(exclusions, (some) =>
    withParts(lean, bestAddresses.slice(0, ADDRESSES_FIRST), [], some),
  )
  const unsaid = PrefixSet.of(exclusions.slice(saidExclusions.length))
  const allowed = bestAddresses.filter((address) => !unsaid.contains(address))
  const saidNetworks = asManyAsFit(PrefixSet.of(additionalAddresses).subtract(unsaid).toPrefixes(), (some) =>
    withParts(lean, allowed.slice(0, ADDRESSES_FIRST), some, saidExclusions),
  )
  const saidAddresses = new Set(
    asManyAsFit(allowed, (some) => withParts(lean, some, saidNetworks, saidExclusions)),
  )
  const routed = PrefixSet.of(saidNetworks)
  const isSaid = (address: Address): boolean => saidAddresses.has(address)
  return {
    affiliate: withParts(lean, affiliate.addresses.filter(isSaid), saidNetworks, saidExclusions),
    addresses: bestAddresses.filter((address) => !isSaid(address)),
    networks: additionalAddresses.filter((network) => !PrefixSet.of([network]).subtract(routed).isEmpty),
    exclusions: exclusions.slice(saidExclusions.length),
  }
}

const withParts = (
  affiliate: Affiliate,
  addresses: readonly Address[],
  additionalAddresses: readonly Prefix[],
  excludeAdvertisedNetworks: readonly Prefix[],
): Affiliate => ({
  ...affiliate,
  addresses,
  kubespan: { ...affiliate.kubespan, additionalAddresses, excludeAdvertisedNetworks },
})

const hasRoom = (affiliate: Affiliate): boolean =>
  encodeAffiliate(affiliate).length + SEALED_AT_BYTES <= AFFILIATE_PLAINTEXT_MAX_BYTES

/** From the front. */
function asManyAsFit<T>(all: readonly T[], recordWith: (some: readonly T[]) => Affiliate): readonly T[] {
  let [fits, tooMany] = [0, all.length + 1]
  while (tooMany - fits > 1) {
    const count = Math.floor((fits + tooMany) / 2)
    if (hasRoom(recordWith(all.slice(0, count)))) fits = count
    else tooMany = count
  }
  return all.slice(0, fits)
}
