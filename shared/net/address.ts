import { compareBytes } from '../byte-order.ts'
import { formatBytes, IPV4_BYTES, IPV6_BYTES, isIpv4Mapped, parseIpv4, parseIpv6 } from './address-text.ts'

/** An address in canonical text; an IPv6 one may carry a zone (`fe80::1%eth0`). Equal addresses are `===`. */
export type Address = string & { readonly address: unique symbol }
/** Address and length. Host bits are kept as written; the length may exceed the family's only when made by `prefixOf`. */
export type Prefix = string & { readonly prefix: unique symbol }
/** `1.2.3.4:5` or `[::1]:5`. */
export type AddressPort = string & { readonly addressPort: unique symbol }
/** An IPv4-mapped address is of family 6, as on the wire (SPEC 1.1). */
export type Family = 4 | 6

export const PORT_MAX = 65_535

export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128)

/**
 * No interface name holds white space or control characters (Linux forbids them), and a zone out of a peer's message
 * ends up in the input of tools that read lines.
 */
const UNSAFE_ZONE = /[\s\p{Cc}]/u

const withZone = (text: string, zone: string): Address | undefined =>
  zone === '' || UNSAFE_ZONE.test(zone) ? undefined : (`${text}%${zone}` as Address)

/** Undefined for what Go's `netip.ParseAddr` refuses, and for zones that cannot be interface names. */
export function parseAddress(text: string): Address | undefined {
  if (parseIpv4(text) !== undefined) return text as Address // strict dotted text has one form only
  const percent = text.indexOf('%')
  const bytes = parseIpv6(percent < 0 ? text : text.slice(0, percent))
  if (bytes === undefined) return undefined
  const canonical = formatBytes(bytes)
  return percent < 0 ? (canonical as Address) : withZone(canonical, text.slice(percent + 1))
}

const PREFIX_BITS = /^(?:0|[1-9]\d{0,2})$/

/** Needs a length within the family's; refuses zones. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf('/')
  if (slash < 0) return undefined
  const address = parseAddress(text.slice(0, slash))
  const bits = text.slice(slash + 1)
  if (address === undefined || zoneOf(address) !== '' || !PREFIX_BITS.test(bits)) return undefined
  return Number(bits) > bitsOf(familyOf(address)) ? undefined : prefixOf(address, Number(bits))
}

/** Brackets are needed around IPv6 and refused around IPv4. */
export function parseAddressPort(text: string): AddressPort | undefined {
  const colon = text.lastIndexOf(':')
  const port = text.slice(colon + 1)
  const host = text.slice(0, Math.max(0, colon))
  const bracketed = host.startsWith('[') && host.endsWith(']')
  const address = parseAddress(bracketed ? host.slice(1, -1) : host)
  if (address === undefined || (familyOf(address) === 6) !== bracketed) return undefined
  return /^\d+$/.test(port) && Number(port) <= PORT_MAX ? addressPortOf(address, Number(port)) : undefined
}

/** From the binary form (SPEC 1.1): 4, 16, or 16 and the text of a zone; undefined for anything else. */
export function addressFromBytes(bytes: Uint8Array): Address | undefined {
  if (bytes.length === IPV4_BYTES || bytes.length === IPV6_BYTES) return formatBytes(bytes) as Address
  if (bytes.length < IPV6_BYTES) return undefined
  try {
    const zone = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(IPV6_BYTES))
    return withZone(formatBytes(bytes.subarray(0, IPV6_BYTES)), zone)
  } catch {
    return undefined
  }
}

/** The binary form, the zone's text included. */
export function addressToBytes(address: Address): Uint8Array {
  const zone = zoneOf(address)
  const bytes = numberBytes(address)
  return zone === '' ? bytes : Uint8Array.of(...bytes, ...new TextEncoder().encode(zone))
}

/** 4 or 16 bytes, whatever the zone. */
function numberBytes(address: Address): Uint8Array {
  const bytes = familyOf(address) === 4 ? parseIpv4(address) : parseIpv6(withoutZone(address))
  if (bytes === undefined) throw new TypeError(`not an address: ${address}`)
  return bytes
}

/** Empty when there is none. */
export function zoneOf(address: Address): string {
  const percent = address.indexOf('%')
  return percent < 0 ? '' : address.slice(percent + 1)
}

export function withoutZone(address: Address): Address {
  const percent = address.indexOf('%')
  return percent < 0 ? address : (address.slice(0, percent) as Address)
}

const DOTTED = /^\d+\./

export const familyOf = (value: Address | Prefix | AddressPort): Family => (DOTTED.test(value) ? 4 : 6)

/** Does not check the length: the wire may carry one that is too large, and the planner has to see that. Drops a zone. */
export const prefixOf = (address: Address, bits: number): Prefix =>
  `${withoutZone(address)}/${bits}` as Prefix

/** The prefix of this address alone: /32 or /128. */
export const hostPrefix = (address: Address): Prefix => prefixOf(address, bitsOf(familyOf(address)))

export function splitPrefix(prefix: Prefix): { readonly address: Address; readonly bits: number } {
  const slash = prefix.indexOf('/')
  return { address: prefix.slice(0, slash) as Address, bits: Number(prefix.slice(slash + 1)) }
}

/** Whether the length is one that the family has. */
export function isValidPrefix(prefix: Prefix): boolean {
  const { bits } = splitPrefix(prefix)
  return Number.isInteger(bits) && bits >= 0 && bits <= bitsOf(familyOf(prefix))
}

/** The same prefix with its host bits cleared. */
export function maskPrefix(prefix: Prefix): Prefix {
  const { address, bits } = splitPrefix(prefix)
  const bytes = numberBytes(address)
  for (let index = 0; index < bytes.length; index += 1)
    bytes[index] = (bytes[index] ?? 0) & byteMask(bits - index * 8)
  return prefixOf(formatBytes(bytes) as Address, bits)
}

/** Mask of the leading `bits` of a byte; below 0 none, above 8 all. */
const byteMask = (bits: number): number => (0xff00 >> Math.min(8, Math.max(0, bits))) & 0xff

export const addressPortOf = (address: Address, port: number): AddressPort =>
  (familyOf(address) === 4 ? `${address}:${port}` : `[${address}]:${port}`) as AddressPort

export function splitAddressPort(value: AddressPort): { readonly address: Address; readonly port: number } {
  const colon = value.lastIndexOf(':')
  const host = familyOf(value) === 4 ? value.slice(0, colon) : value.slice(1, colon - 1)
  return { address: host as Address, port: Number(value.slice(colon + 1)) }
}

/** False across families, for zoned addresses and for prefixes that are not valid. */
export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (familyOf(prefix) !== familyOf(address) || zoneOf(address) !== '' || !isValidPrefix(prefix)) return false
  const { address: base, bits } = splitPrefix(prefix)
  const [left, right] = [numberBytes(base), numberBytes(address)]
  return left.every((byte, index) => ((byte ^ (right[index] ?? 0)) & byteMask(bits - index * 8)) === 0)
}

/** IPv4 first, then by value, then by zone. */
export function compareAddresses(a: Address, b: Address): number {
  if (a === b) return 0
  const families = familyOf(a) - familyOf(b)
  if (families !== 0) return families
  const [left, right] = [numberBytes(a), numberBytes(b)]
  for (let index = 0; index < left.length; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return compareBytes(zoneOf(a), zoneOf(b))
}

/** IPv4 first, then by address, then the shorter one. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  const [left, right] = [splitPrefix(a), splitPrefix(b)]
  return compareAddresses(left.address, right.address) || left.bits - right.bits
}

/** The IPv4 address in an IPv4-mapped one, which says the same of a host; any other as it is. */
export function unmapped(address: Address): Address {
  const bytes = numberBytes(address)
  return isIpv4Mapped(bytes) ? (formatBytes(bytes.subarray(-IPV4_BYTES)) as Address) : address
}

/** The bytes that say what an address is for: of an IPv4-mapped one those inside. */
function classBytes(address: Address): { readonly family: Family; readonly bytes: Uint8Array } {
  const bytes = numberBytes(address)
  if (isIpv4Mapped(bytes)) return { family: 4, bytes: bytes.subarray(12) }
  return { family: bytes.length === IPV4_BYTES ? 4 : 6, bytes }
}

/** 127.0.0.0/8, ::1. */
export function isLoopback(address: Address): boolean {
  const { family, bytes } = classBytes(address)
  return family === 4 ? bytes[0] === 127 : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0))
}

/** 224.0.0.0/4, ff00::/8. */
export function isMulticast(address: Address): boolean {
  const { family, bytes } = classBytes(address)
  return family === 4 ? ((bytes[0] ?? 0) & 0xf0) === 0xe0 : bytes[0] === 0xff
}

/** Link-local unicast: 169.254.0.0/16, fe80::/10. */
export function isLinkLocal(address: Address): boolean {
  const { family, bytes } = classBytes(address)
  if (family === 4) return bytes[0] === 169 && bytes[1] === 254
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80
}

/** RFC 1918 and unique local addresses (RFC 4193). */
export function isPrivate(address: Address): boolean {
  const { family, bytes } = classBytes(address)
  const [first = 0, second = 0] = bytes
  if (family === 6) return (first & 0xfe) === 0xfc
  return first === 10 || (first === 172 && (second & 0xf0) === 16) || (first === 192 && second === 168)
}

/** Shared address space (RFC 6598), 100.64.0.0/10: behind the NAT of a provider, or in an overlay that took it for itself. */
export function isCarrierNat(address: Address): boolean {
  const { family, bytes } = classBytes(address)
  return family === 4 && bytes[0] === 100 && ((bytes[1] ?? 0) & 0xc0) === 64
}
