import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { mergeAffiliates } from './merge-affiliates.ts'

/** What one record has said lately, each time that it said something else: the last entry stands. */
export interface Trail {
  readonly steps: readonly { readonly affiliate: Affiliate; readonly at: Instant }[]
  /** When it was last seen to go back and forth between two machines. */
  readonly doubledAt: Instant | undefined
}

export type Trails = ReadonlyMap<string, Trail>

/** There, back, and there again within this time. */
const WITHIN: Milliseconds = 60_000
const STEPS = 4
/** Two machines with one node id publish every 15 minutes by the protocol, and then the record changes hands again. */
export const DOUBLED_FOR: Milliseconds = 1_200_000

/**
 * Follows every record for two machines that publish under one node id: it says the one thing, then the other, and again. A machine
 * that moves, or loses an address and gets it back, keeps something that is its own, or does not go back and forth.
 */
export function followDoubles(before: Trails, affiliates: readonly Affiliate[], now: Instant): Trails {
  const trails = new Map<string, Trail>()
  for (const affiliate of affiliates) {
    const known = before.get(affiliate.nodeId)
    trails.set(
      affiliate.nodeId,
      known === undefined ? begin(affiliate, now) : follow(known, affiliate, affiliates, now),
    )
  }
  return trails
}

const begin = (affiliate: Affiliate, at: Instant): Trail => ({
  steps: [{ affiliate, at }],
  doubledAt: undefined,
})

function follow(trail: Trail, affiliate: Affiliate, all: readonly Affiliate[], now: Instant): Trail {
  const last = trail.steps.at(-1)
  if (last === undefined || last.affiliate === affiliate) return trail
  if (sayOf(last.affiliate) === sayOf(affiliate))
    return { ...trail, steps: [...trail.steps.slice(0, -1), { affiliate, at: last.at }] }
  const steps = [...trail.steps, { affiliate, at: now }].slice(-STEPS)
  const [one, other] = steps
  const says = steps.map((step) => sayOf(step.affiliate))
  const isBackAndForth = steps.length === STEPS && says[0] === says[2] && says[1] === says[3]
  const isDoubled =
    isBackAndForth &&
    one !== undefined &&
    other !== undefined &&
    areOfTwo(one.affiliate, other.affiliate, all) &&
    (now - (steps[1]?.at ?? now) <= WITHIN || trail.doubledAt !== undefined)
  return { steps, doubledAt: isDoubled ? now : trail.doubledAt }
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
