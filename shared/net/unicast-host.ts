import { type Address, familyOf, isLoopback, isMulticast, unmapped, zoneOf } from './address.ts'

/**
 * Whether this can be the address of one other host, wherever it is. Not with a zone, which is a name of some host's own links; and
 * not 0.0.0.0/8, 127.0.0.0/8, multicast, 240.0.0.0/4 with the broadcast address, nor ::/96. Of an IPv4-mapped address the one inside counts.
 */
export function isUnicastHost(address: Address): boolean {
  if (zoneOf(address) !== '' || isLoopback(address) || isMulticast(address)) return false
  const plain = unmapped(address)
  if (familyOf(plain) === 6) return !UNSPECIFIED_OR_COMPATIBLE.test(plain)
  const first = Number(plain.slice(0, plain.indexOf('.')))
  return first !== 0 && first < 240
}

/** ::/96 as canonical text has it: at most the last two groups are there. */
const UNSPECIFIED_OR_COMPATIBLE = /^::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})?)?$/
