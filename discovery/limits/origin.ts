import { type Address, familyOf, maskPrefix, prefixOf } from '../../shared/net/address.ts'

/** Every customer has a whole /64 of IPv6 addresses. */
const IPV6_NETWORK_BITS = 64

/** What clients are counted by: an IPv4 address, or the /64 of an IPv6 address. */
export const originOf = (address: Address): string =>
  familyOf(address) === 4 ? address : maskPrefix(prefixOf(address, IPV6_NETWORK_BITS))
