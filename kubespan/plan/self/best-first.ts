import {
  type Address,
  bitsOf,
  compareAddresses,
  familyOf,
  isCarrierNat,
  isPrivate,
  maskPrefix,
  prefixOf,
} from '../../../shared/net/address.ts'
import type { ObservedAddress, ObservedLink } from '../../model/observed.ts'

/** A site gives each of its links a /64 (RFC 4291). */
const SUBNET_BITS_V6 = 64

/**
 * Orders a host's own addresses by how likely they are to be of use to others, for when there are too many to tell of all: of each
 * subnet the first before the second of any; the link with the default route before physical ones before all others; public before
 * private before shared (RFC 6598); lasting ones before temporary and deprecated ones.
 */
export function bestFirst(links: readonly ObservedLink[], addresses: readonly Address[]): Address[] {
  const places = new Map<Address, Place>()
  for (const link of links)
    for (const observed of link.addresses) {
      const place = placeOf(link, observed)
      const known = places.get(observed.address)
      if (known === undefined || place.link < known.link) places.set(observed.address, place)
    }
  const placed = addresses
    .map((address) => ({ address, ...(places.get(address) ?? elsewhere(address)) }))
    .sort(
      (a, b) =>
        a.age - b.age || a.link - b.link || a.reach - b.reach || compareAddresses(a.address, b.address),
    )
  const seen = new Map<string, number>()
  return placed
    .map((one) => {
      const nth = seen.get(one.subnet) ?? 0
      seen.set(one.subnet, nth + 1)
      return { ...one, nth }
    })
    .sort((a, b) => a.nth - b.nth || a.link - b.link || a.reach - b.reach || a.age - b.age)
    .map(({ address }) => address)
}

interface Place {
  readonly subnet: string
  /** 0 is best in each. */
  readonly link: number
  readonly reach: number
  readonly age: number
}

const placeOf = (link: ObservedLink, { address, bits, flags = [] }: ObservedAddress): Place => ({
  subnet: `${link.name} ${maskPrefix(prefixOf(address, familyOf(address) === 6 ? Math.min(bits, SUBNET_BITS_V6) : bits))}`,
  link: link.hasDefaultRoute === true ? 0 : link.isPhysical ? 1 : 2,
  reach: reachOf(address),
  age: flags.some((flag) => flag === 'temporary' || flag === 'deprecated') ? 1 : 0,
})

/** Of no link: that is told because somebody knows that it reaches us. */
const elsewhere = (address: Address): Place => ({
  subnet: `${prefixOf(address, bitsOf(familyOf(address)))}`,
  link: 0,
  reach: reachOf(address),
  age: 0,
})

const reachOf = (address: Address): number => (isCarrierNat(address) ? 2 : isPrivate(address) ? 1 : 0)
