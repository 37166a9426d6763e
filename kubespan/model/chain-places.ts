/** Where packets come to a chain of nft by themselves. */
export interface ChainPlace {
  readonly type: string
  readonly hook: string
  readonly priority: number
}

/**
 * Where packets come to each chain, also by way of others that jump or go to it. `bases` by the id of the chain, `jumps` from one id
 * to another.
 */
export function placesOf(
  bases: Iterable<readonly [string, ChainPlace]>,
  jumps: readonly (readonly [string, string])[],
): ReadonlyMap<string, readonly ChainPlace[]> {
  const targets = new Map<string, Set<string>>()
  for (const [from, to] of jumps) {
    const known = targets.get(from)
    if (known === undefined) targets.set(from, new Set([to]))
    else known.add(to)
  }
  const places = new Map<string, ChainPlace[]>()
  for (const [base, place] of bases) {
    const reached = new Set([base])
    for (const id of reached) for (const target of targets.get(id) ?? []) reached.add(target)
    for (const id of reached) {
      const known = places.get(id)
      if (known === undefined) places.set(id, [place])
      else if (!known.some((other) => isSame(other, place))) known.push(place)
    }
  }
  return places
}

const isSame = (one: ChainPlace, other: ChainPlace): boolean =>
  one.type === other.type && one.hook === other.hook && one.priority === other.priority
