import { hostPrefix, type Prefix, parseAddress, parsePrefix } from '../../shared/net/address.ts'
import { PrefixSet } from '../../shared/net/prefix-set.ts'
import type { NftSet } from './nft-types.ts'
import type { NftSetView } from './nft-view.ts'

/** Intervals are not merged by nft: what it lists is then what we gave it, as minimal covers neither touch nor overlap. */
export const declareSet = (table: string, { name, type, isInterval, timeoutSeconds }: NftSet): string =>
  `add set ${table} ${name} { type ${type.join(' . ')}; ${isInterval ? 'flags interval; ' : ''}` +
  `${timeoutSeconds === undefined ? '' : `flags timeout; timeout ${timeoutSeconds}s; `}}`

export const fillSet = (table: string, { name, elements }: NftSet): string[] =>
  elements.length === 0 ? [] : [`add element ${table} ${name} { ${elements.join(', ')} }`]

interface Elements {
  readonly missing: readonly string[]
  readonly surplus: readonly string[]
  /** What is listed in another form than ours cannot be named one by one; and where nothing stays, nothing is to be spared. */
  readonly isAnew: boolean
}

function compareElements(set: NftSet, { elements: found }: NftSetView): Elements {
  const [have, want] = [new Set(found), new Set(set.elements)]
  const surplus = [...have].filter((element) => !want.has(element))
  const isAnew =
    (have.size > 0 && surplus.length === have.size) || !surplus.every((element) => ELEMENT.test(element))
  return { missing: set.elements.filter((element) => !have.has(element)), surplus, isAnew }
}

/** As NftSet has them. */
const ELEMENT = /^[0-9a-f:./]+( \. \d+)?$/

export function changeSet(table: string, set: NftSet, found: NftSetView): string[] {
  const { missing, surplus, isAnew } = compareElements(set, found)
  if (isAnew) return [`flush set ${table} ${set.name}`, ...fillSet(table, set)]
  return [
    ...(surplus.length === 0 ? [] : [`delete element ${table} ${set.name} { ${surplus.join(', ')} }`]),
    ...fillSet(table, { ...set, elements: missing }),
  ]
}

/**
 * Whether an address would be taken out with one element and come back with another one, as when a prefix gets wider. In one
 * transaction that cannot be the other way round, because intervals of a set never overlap.
 */
export function isUncovering(set: NftSet, found: NftSetView): boolean {
  if (!set.isInterval) return false
  const { missing, surplus, isAnew } = compareElements(set, found)
  const gone = surplus.map(prefixOfElement)
  // Of a form that we never write nobody knows what it covers.
  if (gone.includes(undefined)) return set.elements.length > 0
  return prefixSet(gone).overlaps(prefixSet((isAnew ? set.elements : missing).map(prefixOfElement)))
}

export function prefixOfElement(element: string): Prefix | undefined {
  const address = parseAddress(element)
  return address === undefined ? parsePrefix(element) : hostPrefix(address)
}

const prefixSet = (prefixes: readonly (Prefix | undefined)[]): PrefixSet =>
  PrefixSet.of(prefixes.filter((prefix) => prefix !== undefined))

export const hasOtherShape = (set: NftSet, found: NftSetView | undefined): boolean =>
  found !== undefined &&
  (found.type.join(' . ') !== set.type.join(' . ') || found.isInterval !== set.isInterval)

export function setDifference(
  { elements, timeoutSeconds }: NftSet,
  found: NftSetView | undefined,
): string | undefined {
  if (found === undefined) return 'missing'
  if (timeoutSeconds !== undefined) return undefined
  const have = new Set(found.elements)
  const missing = elements.filter((element) => !have.has(element)).length
  const surplus = have.size - (elements.length - missing)
  return missing + surplus === 0 ? undefined : `${missing} missing, ${surplus} too many`
}
