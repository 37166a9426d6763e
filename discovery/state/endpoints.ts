import type { Instant } from '../../shared/clock.ts'
import { AFFILIATE_MAX_ENDPOINTS, AFFILIATE_MAX_ENDPOINTS_OF_OTHERS } from '../validation/limits.ts'
import { type Endpoint, type ForeignEndpoint, STANDING, type Standing } from './affiliate-bytes.ts'

export interface EndpointsUpdate {
  readonly endpoints: readonly Uint8Array[]
  readonly expiresAt: Instant
  /** Of the endpoints that are new; those that are there keep a higher one. */
  readonly standing: Standing
}

/**
 * The endpoints there are, put off where the update names them, then the new ones. Those that came with data, which are its
 * owner's, have room whatever others have added: the newest push out what is of lower standing, and then what is over
 * first. Of others there are never more than a few: what they add beyond that is left out, because to refuse it would
 * end the conversation of nodes that do not expect it. Undefined when the update alone names more than an affiliate may have.
 */
export function mergeEndpoints(
  old: readonly Endpoint[],
  { endpoints, expiresAt, standing }: EndpointsUpdate,
): readonly ForeignEndpoint[] | undefined {
  if (endpoints.length === 0) return old
  const merged: ForeignEndpoint[] = [...old]
  const named = new Set<number>()
  for (let index = 0; index < endpoints.length; index += 1) {
    const bytes = endpoints[index] as Uint8Array
    const known = findEndpoint(merged, bytes, index)
    const at = known === -1 ? merged.length : known
    named.add(at)
    const was = merged[at]
    if (was === undefined) merged.push({ bytes, expiresAt, standing })
    else if (was.expiresAt < expiresAt || was.standing < standing)
      merged[at] = renewed(was, expiresAt, standing)
  }
  if (named.size > AFFILIATE_MAX_ENDPOINTS) return undefined
  return merged.length === old.length
    ? merged
    : withinLimits(merged, standing === STANDING.owner ? named : NONE)
}

const NONE: ReadonlySet<number> = new Set()

const renewed = (
  { bytes, ...was }: ForeignEndpoint,
  expiresAt: Instant,
  standing: Standing,
): ForeignEndpoint => ({
  bytes,
  expiresAt: Math.max(was.expiresAt, expiresAt),
  standing: was.standing < standing ? standing : was.standing,
})

/** Without those for which there is no room. `kept` are places that have room in any case. */
export function withinLimits(
  endpoints: readonly ForeignEndpoint[],
  kept: ReadonlySet<number>,
): readonly ForeignEndpoint[] {
  const others = endpoints.filter(({ standing }) => standing < STANDING.owner).length
  if (endpoints.length <= AFFILIATE_MAX_ENDPOINTS && others <= AFFILIATE_MAX_ENDPOINTS_OF_OTHERS)
    return endpoints
  const stays = new Set<number>()
  let othersLeft = AFFILIATE_MAX_ENDPOINTS_OF_OTHERS
  for (const place of byWorth(endpoints, kept)) {
    if (stays.size >= AFFILIATE_MAX_ENDPOINTS) break
    const isOfOthers = (endpoints[place] as ForeignEndpoint).standing < STANDING.owner
    if (isOfOthers && othersLeft === 0) continue
    if (isOfOthers) othersLeft -= 1
    stays.add(place)
  }
  return endpoints.filter((_, place) => stays.has(place))
}

/** Of the owner's those that are over last come first, of others' those that were there first: they cannot push out each other. */
const byWorth = (endpoints: readonly ForeignEndpoint[], kept: ReadonlySet<number>): readonly number[] =>
  endpoints
    .map((endpoint, place) => ({ ...endpoint, place, isKept: kept.has(place) }))
    .sort(
      (a, b) =>
        Number(b.isKept) - Number(a.isKept) ||
        b.standing - a.standing ||
        (a.standing === STANDING.owner ? b.expiresAt - a.expiresAt : 0) ||
        a.place - b.place,
    )
    .map(({ place }) => place)

/** Nodes announce their endpoints in the same order again and again, so the place in the update is the first guess. */
function findEndpoint(endpoints: readonly ForeignEndpoint[], bytes: Uint8Array, guess: number): number {
  const guessed = endpoints[guess]
  if (guessed !== undefined && sameBytes(guessed.bytes, bytes)) return guess
  return endpoints.findIndex((endpoint) => sameBytes(endpoint.bytes, bytes))
}

/** Endpoints are so short that a loop beats a call into native code. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false
  return true
}
