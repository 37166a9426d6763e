/**
 * Address text ↔ bytes, exactly as strict as Go's `net/netip`, which is what the other end of the wire uses: no
 * leading zeros in IPv4, no spaces, `::` stands for at least one group, IPv4 only as the last two groups.
 * (ipaddr.js reads `::1.2.3.4` as an IPv4-mapped address and forgives leading zeros, so it cannot be used here.)
 */

export const IPV4_BYTES = 4
export const IPV6_BYTES = 16

const DOT = 0x2e
const ZERO = 0x30

/** The four bytes of a dotted address, or undefined. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV4_BYTES)
  let at = 0
  let field = 0
  let digits = 0
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit === DOT) {
      if (digits === 0 || at === IPV4_BYTES - 1) return undefined
      bytes[at] = field
      at += 1
      field = 0
      digits = 0
    } else {
      const digit = unit - ZERO
      if (digit < 0 || digit > 9 || (digits > 0 && field === 0)) return undefined
      field = field * 10 + digit
      digits += 1
      if (field > 255) return undefined
    }
  }
  if (digits === 0 || at !== IPV4_BYTES - 1) return undefined
  bytes[at] = field
  return bytes
}

const GROUP = /^[0-9a-f]{1,4}$/i

/** Bytes of a colon-separated run of groups, of which the last may be a dotted address. */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (GROUP.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    } else {
      const dotted = mayEndDotted && index === groups.length - 1 ? parseIpv4(group) : undefined
      if (dotted === undefined) return undefined
      bytes.push(...dotted)
    }
  }
  return bytes
}

/** The sixteen bytes of an IPv6 address without zone, or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const gap = text.indexOf('::')
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0)
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true)
  if (head === undefined || tail === undefined) return undefined
  const length = head.length + tail.length
  if (gap < 0 ? length !== IPV6_BYTES : length > IPV6_BYTES - 2) return undefined
  const bytes = new Uint8Array(IPV6_BYTES)
  bytes.set(head)
  bytes.set(tail, IPV6_BYTES - tail.length)
  return bytes
}

/** An IPv4 address inside IPv6 (`::ffff:a.b.c.d`): it stays an IPv6 address. */
export const isIpv4Mapped = (bytes: Uint8Array): boolean =>
  bytes.length === IPV6_BYTES &&
  bytes[10] === 0xff &&
  bytes[11] === 0xff &&
  bytes.subarray(0, 10).every((byte) => byte === 0)

/** Canonical text (RFC 5952) of 4 or 16 bytes. */
export function formatBytes(bytes: Uint8Array): string {
  if (bytes.length === IPV4_BYTES) return bytes.join('.')
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const groups: number[] = []
  for (let index = 0; index < IPV6_BYTES; index += 2)
    groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0))
  const gap = longestZeroRun(groups)
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return gap.length < 2 ? hex(0, 8) : `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}`
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index < groups.length; index += 1) {
    if (groups[index] !== 0) start = index + 1
    else if (index - start + 1 > best.length) best = { start, length: index - start + 1 }
  }
  return best
}
