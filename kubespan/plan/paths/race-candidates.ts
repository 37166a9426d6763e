import { splitAddressPort } from '../../../shared/net/address.ts'
import type { Rotation } from './quick-rotation.ts'
import type { RankedEndpoint } from './rank-endpoints.ts'

/** How many candidates one race has, and how many of them at one address. */
const FIRST = { inAll: 16, atAddress: 8 } as const
/** Of a peer that lost races: mostly it is not there, or somebody else is. */
const AFTER_LOSS = { inAll: 8, atAddress: 2 } as const

/**
 * The candidates of a peer's next race, in their order; the very list where that is all. Honest nodes have few. Of what is
 * too many the best is always among them, and the rest has its turn race by race.
 */
export function candidatesFor(ranked: readonly RankedEndpoint[], lost: number): readonly RankedEndpoint[] {
  const { inAll, atAddress } = lost === 0 ? FIRST : AFTER_LOSS
  if (ranked.length <= atAddress) return ranked
  const [best, ...others] = ranked
  const turn = (lost * (inAll - 1)) % Math.max(1, others.length)
  const perAddress = new Map<string, number>()
  const chosen = new Set<RankedEndpoint>()
  for (const one of [best, ...others.slice(turn), ...others.slice(0, turn)]) {
    if (one === undefined || chosen.size === inAll) break
    const { address } = splitAddressPort(one.endpoint)
    const count = perAddress.get(address) ?? 0
    if (count === atAddress) continue
    perAddress.set(address, count + 1)
    chosen.add(one)
  }
  return chosen.size === ranked.length ? ranked : ranked.filter((one) => chosen.has(one))
}

/** The same where there are no races, by how many turns the peer has had. */
export const candidatesOfRound = (
  ranked: readonly RankedEndpoint[],
  before: Rotation | undefined,
): readonly RankedEndpoint[] =>
  candidatesFor(ranked, Math.floor(((before?.turn ?? -1) + 1) / AFTER_LOSS.inAll))
