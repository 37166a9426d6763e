import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Address,
  comparePrefixes,
  maskPrefix,
  type Prefix,
  parseAddress,
  prefixContains,
  prefixOf,
} from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'

/** Blocks of 16 addresses: in the middle, and at both ends of both families. */
const BLOCKS = [
  ...['0.0.0.', '10.0.0.', '255.255.255.'].map((base) => ({
    base,
    first: base === '255.255.255.' ? 240 : 0,
    width: 32,
  })),
  ...['::', 'fd00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff'].map((base) => ({
    base,
    first: 0,
    width: 128,
  })),
]
const UNIVERSE: Address[] = BLOCKS.flatMap(({ base, first, width }) =>
  Array.from({ length: 16 }, (_, index) => {
    const last = width === 32 ? String(first + index) : index.toString(16)
    return parseAddress(base + last) as Address
  }),
)

const anyPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(fc.nat(UNIVERSE.length - 1), fc.nat(4))
  .map(([at, hostBits]) => prefixOf(UNIVERSE[at] as Address, (at < 48 ? 32 : 128) - hostBits))
const anyPrefixes = fc.array(anyPrefix, { maxLength: 8 })

/** The same as a plain list of addresses. */
const model = (prefixes: readonly Prefix[]): Set<Address> =>
  new Set(UNIVERSE.filter((address) => prefixes.some((prefix) => prefixContains(prefix, address))))
const members = (set: PrefixSet): Set<Address> => new Set(UNIVERSE.filter((address) => set.contains(address)))

/** How many prefixes a block needs at least: one when it is full, else what its halves need. */
function least(addresses: readonly Address[], wanted: ReadonlySet<Address>): number {
  const inside = addresses.filter((address) => wanted.has(address)).length
  if (inside === 0 || inside === addresses.length) return Math.sign(inside)
  const half = addresses.length / 2
  return least(addresses.slice(0, half), wanted) + least(addresses.slice(half), wanted)
}

const set = (...texts: string[]): PrefixSet => PrefixSet.of(texts as Prefix[])

test('sets of prefixes behave as sets of addresses', () => {
  fc.assert(
    fc.property(anyPrefixes, anyPrefixes, (left, right) => {
      const [a, b] = [PrefixSet.of(left), PrefixSet.of(right)]
      const [x, y] = [model(left), model(right)]
      assert.deepEqual(members(a), x)
      assert.deepEqual(members(a.union(b)), model([...left, ...right]))
      assert.deepEqual(members(a.subtract(b)), new Set([...x].filter((address) => !y.has(address))))
      assert.equal(
        a.overlaps(b),
        [...x].some((address) => y.has(address)),
      )
      assert.equal(a.isEmpty, x.size === 0)
      assert.equal(a.equals(b), x.size === y.size && [...x].every((address) => y.has(address)))
    }),
    { numRuns: 500 },
  )
})

test('the prefixes of a set are sorted, masked, make it again, and are as few as can be', () => {
  fc.assert(
    fc.property(anyPrefixes, anyPrefixes, (left, right) => {
      const result = PrefixSet.of(left).subtract(PrefixSet.of(right))
      const prefixes = result.toPrefixes()
      assert.ok(PrefixSet.of(prefixes).equals(result))
      assert.deepEqual(prefixes, prefixes.map(maskPrefix).sort(comparePrefixes))
      const wanted = members(result)
      const fewest = BLOCKS.reduce(
        (sum, _, block) => sum + least(UNIVERSE.slice(block * 16, block * 16 + 16), wanted),
        0,
      )
      assert.equal(prefixes.length, fewest)
    }),
    { numRuns: 500 },
  )
})

test('whole families are one prefix, and never join', () => {
  const all = set('::/0', '0.0.0.0/0')
  assert.deepEqual(all.toPrefixes(), ['0.0.0.0/0', '::/0'])
  assert.deepEqual(set('0.0.0.0/1', '128.0.0.0/1').toPrefixes(), ['0.0.0.0/0'])
  assert.deepEqual(set('::/1', '8000::/1').toPrefixes(), ['::/0'])
  assert.deepEqual(all.subtract(set('::/0')).toPrefixes(), ['0.0.0.0/0'])
  assert.deepEqual(set('255.255.255.255/32', '::/128').toPrefixes(), ['255.255.255.255/32', '::/128'])
  const hole = set('0.0.0.0/0').subtract(set('255.255.255.255/32')).toPrefixes()
  assert.equal(hole.length, 32)
  assert.equal(set('::/0').subtract(set('::1/128')).toPrefixes().length, 128)
})

test('an IPv4-mapped address is an IPv6 address, a zoned one is in no set', () => {
  assert.deepEqual(set('::ffff:10.0.0.1/128').toPrefixes(), ['::ffff:10.0.0.1/128'])
  assert.equal(set('0.0.0.0/0').contains('::ffff:10.0.0.1' as Address), false)
  assert.equal(set('::/0').contains('fe80::1%eth0' as Address), false)
})

test('the empty set is one, and costs nothing', () => {
  const some = set('10.0.0.0/8')
  assert.equal(PrefixSet.of([]), PrefixSet.empty)
  assert.equal(some.union(PrefixSet.empty), some)
  assert.equal(PrefixSet.empty.union(some), some)
  assert.equal(some.subtract(PrefixSet.empty), some)
  assert.equal(PrefixSet.empty.subtract(some), PrefixSet.empty)
  assert.deepEqual(PrefixSet.empty.toPrefixes(), [])
})

test('a prefix that is too long makes no set', () => {
  assert.throws(() => set('10.0.0.0/8', '10.9.0.0/40'), RangeError)
})
