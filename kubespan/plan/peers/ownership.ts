import { addressToBytes, type Prefix, splitPrefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'

/** The place of a claimant in the order of precedence. */
type Rank = number

export interface Ownership {
  /** What each rank is left with. */
  readonly owned: readonly (readonly Prefix[])[]
  readonly overlaps: readonly Overlap[]
  /** Prefixes that several ask for as they are, and who, in order of precedence. */
  readonly contested: ReadonlyMap<Prefix, readonly Rank[]>
}

/** One that asked for prefixes that lie within, or are, somebody else's. */
export interface Overlap {
  readonly loser: Rank
  readonly owner: Rank
  readonly prefixes: readonly Prefix[]
}

/** Who has a prefix that several claim; undefined for the first of them. */
export type HolderOf = (prefix: Prefix, claimants: readonly Rank[]) => Rank | undefined

interface Node {
  readonly prefix: Prefix
  readonly bits: number
  /** The address as one character per byte: texts compare faster than numbers in arrays. */
  readonly bytes: string
  readonly claimants: Rank[]
  parent: Node | undefined
  holder: Rank
}

/**
 * Prefixes either contain each other or are apart, so in the order of their addresses each one's nearest container is on
 * a stack: all overlaps of n prefixes cost one sort. Two rules of precedence exist:
 *
 * - Without `holderOf` the lowest rank has every address it asks for, and the others get minimal covers of what is left (SPEC 6.1).
 * - With it a prefix belongs to whom `holderOf` says and the more specific one wins whatever its rank. A broader prefix is
 *   then given whole, not with holes: WireGuard itself sends a packet to the longest match.
 */
export function settleOwnership(claims: readonly (readonly Prefix[])[], holderOf?: HolderOf): Ownership {
  const nodes = nest(claims)
  const contested = new Map<Prefix, readonly Rank[]>()
  const overlaps = new Map<string, { loser: Rank; owner: Rank; prefixes: Set<Prefix> }>()
  const won: Node[][] = claims.map(() => [])
  const holes: Prefix[][] = claims.map(() => [])
  const note = (loser: Rank, owner: Rank, prefix: Prefix): void => {
    const pair = `${loser} ${owner}`
    const overlap = overlaps.get(pair)
    if (overlap === undefined) overlaps.set(pair, { loser, owner, prefixes: new Set([prefix]) })
    else overlap.prefixes.add(prefix)
  }

  for (const node of nodes) {
    const { prefix, claimants, parent } = node
    const first = claimants[0] as Rank
    node.holder =
      holderOf === undefined
        ? Math.min(first, parent?.holder ?? first)
        : (holderOf(prefix, claimants) ?? first)
    if (claimants.length > 1) contested.set(prefix, claimants)
    for (const claimant of claimants) if (claimant !== node.holder) note(claimant, node.holder, prefix)
    won[node.holder]?.push(node)
    if (parent !== undefined && parent.holder !== node.holder) {
      note(parent.holder, node.holder, prefix)
      holes[parent.holder]?.push(prefix)
    }
  }

  const entangled = new Set([...overlaps.values()].flatMap(({ loser, owner }) => [loser, owner]))
  const owned = won.map((mine, rank) => {
    const prefixes = mine.map(({ prefix }) => prefix)
    // Joining prefixes would change which of two is the more specific.
    if (holderOf !== undefined && entangled.has(rank)) return prefixes
    const gone = holes[rank] ?? []
    if (gone.length === 0 && isMinimal(mine)) return prefixes
    return PrefixSet.of(prefixes).subtract(PrefixSet.of(gone)).toPrefixes()
  })
  return {
    owned,
    overlaps: Array.from(overlaps.values(), (overlap) => ({ ...overlap, prefixes: [...overlap.prefixes] })),
    contested,
  }
}

/** Whether sorted nodes are their own minimal cover: none lies within the one before it, or is the other half of it. */
const isMinimal = (nodes: readonly Node[]): boolean =>
  nodes.every((node, index) => {
    const before = nodes[index - 1]
    if (before === undefined || before.bytes.length !== node.bytes.length) return true
    const shared = firstDifference(before, node)
    return shared < before.bits && !(before.bits === node.bits && shared === node.bits - 1)
  })

/** One node per distinct prefix, containers before what they contain, each with its nearest container. */
function nest(claims: readonly (readonly Prefix[])[]): Node[] {
  const nodes = new Map<Prefix, Node>()
  for (const [rank, prefixes] of claims.entries())
    for (const prefix of prefixes) {
      const known = nodes.get(prefix)
      if (known !== undefined) known.claimants.push(rank)
      else nodes.set(prefix, nodeOf(prefix, rank))
    }

  const sorted = [...nodes.values()].sort(compareNodes)
  const open: Node[] = []
  for (const node of sorted) {
    while (open.length > 0 && !contains(open.at(-1) as Node, node)) open.pop()
    node.parent = open.at(-1)
    open.push(node)
  }
  return sorted
}

function nodeOf(prefix: Prefix, rank: Rank): Node {
  const { address, bits } = splitPrefix(prefix)
  const bytes = String.fromCharCode(...addressToBytes(address))
  return { prefix, bits, bytes, claimants: [rank], parent: undefined, holder: rank }
}

function compareNodes(a: Node, b: Node): number {
  if (a.bytes === b.bytes) return a.bits - b.bits
  return a.bytes.length - b.bytes.length || (a.bytes < b.bytes ? -1 : 1)
}

function contains(outer: Node, inner: Node): boolean {
  return outer.bytes.length === inner.bytes.length && outer.bits <= firstDifference(outer, inner)
}

/** How many leading bits two nodes of one family share, counting none beyond the inner one's length. */
function firstDifference(outer: Node, inner: Node): number {
  for (let index = 0; index < outer.bytes.length; index += 1) {
    const difference = outer.bytes.charCodeAt(index) ^ inner.bytes.charCodeAt(index)
    if (difference !== 0) return Math.min(inner.bits, index * 8 + Math.clz32(difference) - 24)
  }
  return inner.bits
}
