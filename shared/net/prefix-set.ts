import {
  type Address,
  addressFromBytes,
  addressToBytes,
  familyOf,
  isValidPrefix,
  type Prefix,
  prefixOf,
  splitPrefix,
  zoneOf,
} from './address.ts'

/**
 * Both families lie on one line of integers: an IPv6 address is its value, an IPv4 address its value minus 2^33. So
 * IPv4 sorts first, and the gap keeps ranges of the two from ever touching.
 */
const IPV4_SHIFT = 1n << 33n

/** From `start` up to, not including, `end`. */
interface Range {
  readonly start: bigint
  readonly end: bigint
}

/** An immutable set of addresses, kept as sorted ranges that neither overlap nor touch. */
export class PrefixSet {
  static readonly empty: PrefixSet = new PrefixSet([])
  readonly #ranges: readonly Range[]

  private constructor(ranges: readonly Range[]) {
    this.#ranges = ranges
  }

  /** Host bits do not matter. Throws RangeError for a prefix that is longer than its family allows. */
  static of(prefixes: Iterable<Prefix>): PrefixSet {
    const ranges = Array.from(prefixes, rangeOf).sort(byStart)
    return ranges.length === 0 ? PrefixSet.empty : new PrefixSet(joined(ranges))
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  union(other: PrefixSet): PrefixSet {
    if (other.isEmpty) return this
    if (this.isEmpty) return other
    return new PrefixSet(joined(merged(this.#ranges, other.#ranges)))
  }

  subtract(other: PrefixSet): PrefixSet {
    if (this.isEmpty || other.isEmpty) return this
    return new PrefixSet(difference(this.#ranges, other.#ranges))
  }

  overlaps(other: PrefixSet): boolean {
    let [left, right] = [0, 0]
    for (;;) {
      const [a, b] = [this.#ranges[left], other.#ranges[right]]
      if (a === undefined || b === undefined) return false
      if (a.end <= b.start) left += 1
      else if (b.end <= a.start) right += 1
      else return true
    }
  }

  /** A zoned address is in no set. */
  contains(address: Address): boolean {
    if (zoneOf(address) !== '') return false
    const point = pointOf(address)
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.end ?? 0n) <= point) low = middle + 1
      else high = middle
    }
    const candidate = this.#ranges[low]
    return candidate !== undefined && candidate.start <= point
  }

  /** The least number of prefixes that make this set: IPv4 first, ascending. */
  toPrefixes(): Prefix[] {
    return this.#ranges.flatMap(coverOf)
  }

  equals(other: PrefixSet): boolean {
    return (
      this.#ranges.length === other.#ranges.length &&
      this.#ranges.every(({ start, end }, index) => {
        const range = other.#ranges[index]
        return range !== undefined && range.start === start && range.end === end
      })
    )
  }
}

const byStart = (a: Range, b: Range): number => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0)

function pointOf(address: Address): bigint {
  const bytes = addressToBytes(address)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return BigInt(view.getUint32(0)) - IPV4_SHIFT
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
}

function addressAt(point: bigint): Address {
  const bytes = new Uint8Array(point < 0n ? 4 : 16)
  const view = new DataView(bytes.buffer)
  if (point < 0n) view.setUint32(0, Number(point + IPV4_SHIFT))
  else {
    view.setBigUint64(0, point >> 64n)
    view.setBigUint64(8, BigInt.asUintN(64, point))
  }
  return addressFromBytes(bytes) as Address
}

function rangeOf(prefix: Prefix): Range {
  if (!isValidPrefix(prefix)) throw new RangeError(`prefix length out of range: ${prefix}`)
  const { address, bits } = splitPrefix(prefix)
  const hostBits = BigInt((familyOf(prefix) === 4 ? 32 : 128) - bits)
  // Shifting a negative point rounds downwards, and the shift is a multiple of 2^32: host bits are cleared in both families.
  const start = (pointOf(address) >> hostBits) << hostBits
  return { start, end: start + (1n << hostBits) }
}

/** Joins ranges, sorted by start, that overlap or touch. */
function joined(ranges: readonly Range[]): Range[] {
  const result: Range[] = []
  let last: Range | undefined
  for (const range of ranges) {
    if (last === undefined || range.start > last.end) {
      if (last !== undefined) result.push(last)
      last = range
    } else if (range.end > last.end) last = { start: last.start, end: range.end }
  }
  if (last !== undefined) result.push(last)
  return result
}

function merged(left: readonly Range[], right: readonly Range[]): Range[] {
  const result: Range[] = []
  let [i, j] = [0, 0]
  for (;;) {
    const [a, b] = [left[i], right[j]]
    if (a === undefined) return result.concat(right.slice(j))
    if (b === undefined) return result.concat(left.slice(i))
    if (a.start <= b.start) {
      result.push(a)
      i += 1
    } else {
      result.push(b)
      j += 1
    }
  }
}

function difference(ranges: readonly Range[], holes: readonly Range[]): Range[] {
  const result: Range[] = []
  let hole = 0
  for (const { start, end } of ranges) {
    let from = start
    while ((holes[hole]?.end ?? end) <= from) hole += 1
    // The last hole may reach into the next range: it is left behind only by the line above.
    for (let index = hole; from < end; index += 1) {
      const next = holes[index]
      if (next === undefined || next.start >= end) break
      if (next.start > from) result.push({ start: from, end: next.start })
      from = next.end
      hole = index
    }
    if (from < end) result.push({ start: from, end })
  }
  return result
}

/** Takes from the front the largest block that is aligned and fits, until nothing is left. */
function coverOf({ start, end }: Range): Prefix[] {
  const width = start < 0n ? 32 : 128
  const result: Prefix[] = []
  let from = start
  while (from < end) {
    const largest = bitLength(end - from) - 1
    const alignment = from === 0n ? largest : bitLength(from & -from) - 1
    const hostBits = Math.min(largest, alignment, width)
    result.push(prefixOf(addressAt(from), width - hostBits))
    from += 1n << BigInt(hostBits)
  }
  return result
}

/** How many binary digits a positive integer has. */
function bitLength(value: bigint): number {
  const hex = value.toString(16)
  return (hex.length - 1) * 4 + 32 - Math.clz32(Number.parseInt(hex[0] ?? '0', 16))
}
