import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { mergeAffiliates } from './merge-affiliates.ts'

interface Step {
  readonly affiliate: Affiliate
  /** `sayOf` the affiliate: of most records it is all that is ever compared. */
  readonly says: string
  readonly stamp: string | undefined
  /** Since when. */
  readonly at: Instant
}

/** What one record has said lately, each time that it said something else: the last entry stands. */
export interface Trail {
  readonly steps: readonly Step[]
  /** When it was last seen to go back and forth between two machines. */
  readonly doubledAt: Instant | undefined
}

export type Trails = ReadonlyMap<string, Trail>

/** There, back, and there again within this time. */
const WITHIN: Milliseconds = 60_000
const STEPS = 4
/** Two machines with one node id publish every 15 minutes by the protocol, and then the record changes hands again. */
export const DOUBLED_FOR: Milliseconds = 1_200_000

export interface DoublesInput {
  readonly before: Trails
  readonly affiliates: readonly Affiliate[]
  /** Another one each time that the record was sealed anew; undefined where that cannot be told. */
  readonly stampOf: (nodeId: string) => string | undefined
  readonly now: Instant
}

/**
 * Follows every record for two machines that publish under one node id: it says the one thing, then the other, and both again, each time
 * sealed anew. A machine that moves, or loses an address and gets it back, keeps something that is its own, or does not go
 * back and forth; and what a service replays bears a seal that was seen before.
 */
export function followDoubles(input: DoublesInput): Trails {
  const trails = new Map<string, Trail>()
  for (const affiliate of input.affiliates) {
    const known = input.before.get(affiliate.nodeId)
    if (known !== undefined) trails.set(affiliate.nodeId, follow(known, affiliate, input))
    else trails.set(affiliate.nodeId, { steps: [stepOf(affiliate, input)], doubledAt: undefined })
  }
  return trails
}

const stepOf = (affiliate: Affiliate, { stampOf, now }: DoublesInput): Step => ({
  affiliate,
  says: sayOf(affiliate),
  stamp: stampOf(affiliate.nodeId),
  at: now,
})

function follow(trail: Trail, affiliate: Affiliate, input: DoublesInput): Trail {
  const last = trail.steps.at(-1)
  if (last === undefined || last.affiliate === affiliate) return trail
  const step = stepOf(affiliate, input)
  const { affiliates, now } = input
  // A machine that gains or loses addresses, as one whose link has just come up, goes on with what it said.
  const isSame = last.says === step.says || !areOfTwo(last.affiliate, affiliate, affiliates)
  if (isSame) return { ...trail, steps: [...trail.steps.slice(0, -1), { ...step, at: last.at }] }
  const steps = [...trail.steps, step].slice(-STEPS)
  const isDoubled =
    isBackAndForth(steps, affiliates) && (trail.doubledAt !== undefined || isFresh(steps, now))
  return { steps, doubledAt: isDoubled ? now : trail.doubledAt }
}

function isBackAndForth(steps: readonly Step[], all: readonly Affiliate[]): boolean {
  const [one, other, again, last] = steps.map(({ affiliate }) => affiliate)
  if (one === undefined || other === undefined || again === undefined || last === undefined) return false
  return !areOfTwo(one, again, all) && !areOfTwo(other, last, all)
}

function isFresh(steps: readonly Step[], now: Instant): boolean {
  const stamps = steps.flatMap(({ stamp }) => stamp ?? [])
  return now - (steps[1]?.at ?? now) <= WITHIN && new Set(stamps).size === stamps.length
}

/** Keys and addresses: what a machine is, apart from where it is reached. */
const sayOf = ({ addresses, kubespan }: Affiliate): string =>
  [
    kubespan.publicKey,
    kubespan.address ?? '',
    ...addresses.toSorted(),
    ...kubespan.additionalAddresses,
  ].join()

/** No machine has two keys in turn. Else each has an address that the other lacks, and both have only what others have as well. */
function areOfTwo(one: Affiliate, other: Affiliate, all: readonly Affiliate[]): boolean {
  if (one.kubespan.publicKey !== other.kubespan.publicKey) return true
  const isOwn = (address: string): boolean =>
    address !== one.kubespan.address &&
    !all.some(({ nodeId, addresses }) => nodeId !== one.nodeId && addresses.some((each) => each === address))
  const lacks = (from: Affiliate, what: Affiliate): boolean =>
    what.addresses.some((address) => address !== what.kubespan.address && !from.addresses.includes(address))
  const common = one.addresses.filter((address) => other.addresses.includes(address))
  return lacks(one, other) && lacks(other, one) && !common.some(isOwn)
}

/** Node ids that two machines use, as far as can be told. */
export const doubledIds = (trails: Trails, now: Instant): readonly string[] =>
  [...trails].flatMap(([nodeId, { doubledAt }]) =>
    doubledAt !== undefined && now - doubledAt < DOUBLED_FOR ? [nodeId] : [],
  )

/**
 * What two machines say under one id and key, together and always the same, whichever spoke last: their addresses stay where they
 * are, in the tunnel, and nothing is planned anew each time that the record changes hands.
 */
export function steadied(trail: Trail): Affiliate {
  const last = trail.steps.at(-1)?.affiliate as Affiliate
  const said = trail.steps
    .slice(-2)
    .map(({ affiliate }) => affiliate)
    .filter(({ kubespan }) => kubespan.publicKey === last.kubespan.publicKey)
  const merged = mergeAffiliates(said.map((affiliate) => ({ rawId: sayOf(affiliate), affiliate })))
  return merged[0] ?? last
}
