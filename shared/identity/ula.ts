import { createHash } from 'node:crypto'
import {
  type Address,
  addressFromBytes,
  addressToBytes,
  familyOf,
  type Prefix,
  prefixOf,
  splitPrefix,
} from '../net/address.ts'

/** What a unique local network of a cluster is for: its eighth byte (SPEC 3.3). */
export const ULA_PURPOSE = {
  unknown: 0,
  bootstrap: 1,
  kubespan: 2,
  siderolink: 3,
  virtualSiderolink: 4,
} as const

export type UlaPurpose = (typeof ULA_PURPOSE)[keyof typeof ULA_PURPOSE]

const ULA_BYTE = 0xfd
const PURPOSE_INDEX = 7
const SUBNET_BITS = 64
const UNIVERSAL_BIT = 0x02

/** The /64 of a cluster for one purpose. The id counts as text, whatever it encodes. */
export function ulaPrefix(clusterId: string, purpose: UlaPurpose): Prefix {
  const bytes = new Uint8Array(16)
  bytes.set(createHash('sha256').update(clusterId, 'utf8').digest().subarray(16, 24))
  bytes[0] = ULA_BYTE
  bytes[PURPOSE_INDEX] = purpose
  return prefixOf(addressFromBytes(bytes) as Address, SUBNET_BITS)
}

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2})*$/i

/** The address of the interface with this MAC inside the /64 (EUI-64); undefined unless the MAC has 6 or 8 bytes. */
export function ulaAddress(prefix: Prefix, mac: string): Address | undefined {
  const octets = MAC.test(mac) ? mac.split(':').map((octet) => Number.parseInt(octet, 16)) : []
  if (octets.length !== 6 && octets.length !== 8) return undefined
  if (octets.length === 6) octets.splice(3, 0, 0xff, 0xfe)
  const bytes = addressToBytes(splitPrefix(prefix).address)
  bytes.set(octets, 8)
  bytes[8] = (bytes[8] ?? 0) ^ UNIVERSAL_BIT
  return addressFromBytes(bytes)
}

/** Holds for such addresses of every cluster, not only of ours. */
export function isUlaOfPurpose(address: Address, purpose: UlaPurpose): boolean {
  if (familyOf(address) !== 6) return false
  const bytes = addressToBytes(address)
  return bytes[0] === ULA_BYTE && bytes[PURPOSE_INDEX] === purpose
}
