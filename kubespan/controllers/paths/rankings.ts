import type { AddressPort, Prefix } from '../../../shared/net/address.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PeerSpec, PublicKey } from '../../model/peer.ts'
import type { PeerEndpointFilters } from '../../model/settings.ts'
import { type RankedEndpoint, rankEndpoints } from '../../plan/paths/rank-endpoints.ts'

/** What ranking goes by that is the same for all peers. */
export interface RankingGround {
  readonly links: readonly ObservedLink[]
  readonly meshSubnet: Prefix
  readonly filters: PeerEndpointFilters
  readonly lastWorked: ReadonlyMap<PublicKey, AddressPort>
}

/** The candidates of a peer in order; `observed` is where WireGuard has it. */
export type Rank = (
  spec: Pick<PeerSpec, 'publicKey' | 'endpoints'>,
  observed: AddressPort | undefined,
) => readonly RankedEndpoint[]

interface Known {
  readonly endpoints: readonly AddressPort[]
  readonly observed: AddressPort | undefined
  readonly worked: AddressPort | undefined
  readonly ranked: readonly RankedEndpoint[]
}

/** Ranks anew only what has changed: for a thousand peers that costs more than the rest of a look. */
export class Rankings {
  #ground = ''
  #known: ReadonlyMap<PublicKey, Known> = new Map()

  /** For one look. Who is not ranked in it is forgotten with the next one. */
  on({ links, meshSubnet, filters, lastWorked }: RankingGround): Rank {
    const ground = JSON.stringify([links, meshSubnet, filters])
    const before = ground === this.#ground ? this.#known : new Map<PublicKey, Known>()
    const known = new Map<PublicKey, Known>()
    this.#ground = ground
    this.#known = known
    return ({ publicKey, endpoints }, observed) => {
      const worked = lastWorked.get(publicKey)
      const found = known.get(publicKey) ?? before.get(publicKey)
      const isSame =
        found !== undefined &&
        found.observed === observed &&
        found.worked === worked &&
        haveSame(found.endpoints, endpoints)
      const { ranked } = isSame
        ? found
        : rankEndpoints(endpoints, { links, meshSubnet, lastWorked: worked, observed, ...filters })
      known.set(publicKey, isSame ? found : { endpoints, observed, worked, ranked })
      return ranked
    }
  }
}

const haveSame = (some: readonly AddressPort[], others: readonly AddressPort[]): boolean =>
  some === others ||
  (some.length === others.length && some.every((endpoint, place) => endpoint === others[place]))
