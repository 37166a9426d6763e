import type { Instant } from '../../shared/clock.ts'
import { AFFILIATE_MAX_ENDPOINTS, AFFILIATE_MAX_ENDPOINTS_OF_OTHERS } from '../validation/limits.ts'
import { type Endpoint, type ForeignEndpoint, STANDING, type Standing } from './affiliate-bytes.ts'

export interface EndpointsUpdate {
  readonly endpoints: readonly Uint8Array[]
  readonly expiresAt: Instant
  /** Of the endpoints that are new; those that are there keep a higher one. */
  readonly standing: Standing
  /** Whether those that others have named are left alone. */
  readonly isGuarded: boolean
}

/**
 * The endpoints there are, put off where the update names them, then the new ones. Those that came with data, which are its
 * owner's, have room whatever others have added: the newest push out what is of lower standing, and then what is over
 * first. Of others there are never more than a few: what they add beyond that is left out, because to refuse it would
 * end the conversation of nodes that do not expect it. Undefined when the update alone names more than an affiliate may have.
 */
export function mergeEndpoints(
  old: readonly Endpoint[],
  { endpoints, expiresAt, standing, isGuarded }: EndpointsUpdate,
): readonly ForeignEndpoint[] | undefined {
  const merged: ForeignEndpoint[] = [...old]
  for (let index = 0; index < endpoints.length; index += 1) {
    const bytes = endpoints[index] as Uint8Array
    const known = findEndpoint(merged, bytes, index)
    const was = merged[known]
    if (was === undefined) merged.push({ bytes, expiresAt, standing })
    else if (!isGuarded || was.standing <= standing) merged[known] = renewed(was, expiresAt, standing)
  }
  if (isWithinLimits(merged)) return merged
  const named = new Set(endpoints.map((bytes, index) => findEndpoint(merged, bytes, index)))
  if (named.size > AFFILIATE_MAX_ENDPOINTS) return undefined
  return withoutLeast(merged, standing === STANDING.owner ? named : NOTHING)
}

const NOTHING: ReadonlySet<number> = new Set()

function renewed(was: ForeignEndpoint, expiresAt: Instant, standing: Standing): ForeignEndpoint {
  if (was.expiresAt >= expiresAt && was.standing >= standing) return was
  return {
    bytes: was.bytes,
    expiresAt: Math.max(was.expiresAt, expiresAt),
    standing: was.standing < standing ? standing : was.standing,
  }
}

function isWithinLimits(endpoints: readonly ForeignEndpoint[]): boolean {
  let others = 0
  for (const { standing } of endpoints) if (standing < STANDING.owner) others += 1
  return endpoints.length <= AFFILIATE_MAX_ENDPOINTS && others <= AFFILIATE_MAX_ENDPOINTS_OF_OTHERS
}

/** Without those for which there is no room. `kept` are places that have room in any case. */
function withoutLeast(
  endpoints: readonly ForeignEndpoint[],
  kept: ReadonlySet<number>,
): readonly ForeignEndpoint[] {
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
