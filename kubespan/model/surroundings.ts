import type { Address, Family, Prefix } from '../../shared/net/address.ts'

export type NeighbourRole = 'gateway' | 'name server' | 'DHCP server'

/** A machine that this host depends on before there is a mesh. */
export interface Neighbour {
  readonly address: Address
  readonly role: NeighbourRole
  /** Through which it is reached, where that is known. */
  readonly link: string | undefined
}

/** Addresses that are on a link of this host itself. */
export interface OnLinkNetwork {
  /** A single address, where a route of its own leads to it. */
  readonly prefix: Prefix
  readonly link: string
}

/** What is local to this host, and was before there was a mesh. Sorted, so that two looks at the same are equal as text. */
export interface Surroundings {
  readonly neighbours: readonly Neighbour[]
  readonly networks: readonly OnLinkNetwork[]
  /** It forwards packets of others, of one family at least. */
  readonly forwards: boolean
  /** Families that single links forward while the setting of all links is off: ours has to be told to. */
  readonly forwardedByLink: readonly Family[]
}

export const NO_SURROUNDINGS: Surroundings = {
  neighbours: [],
  networks: [],
  forwards: false,
  forwardedByLink: [],
}

/** Something local that peers claim as well, and that is not sent to them. */
export interface LocalClaim {
  /** What stays here. */
  readonly prefix: Prefix
  /** What it is to this host: `gateway and name server of eth0`, `on link docker0`, `an address of this host`. */
  readonly what: string
  /** What was claimed that holds it, and by whom: their labels. */
  readonly claimed: readonly { readonly prefix: Prefix; readonly labels: readonly string[] }[]
}

const LABELS_MAX = 3
const CLAIMS_MAX = 10

/** A line for each of the first, and one for all others. */
export function describeLocalClaims(claims: readonly LocalClaim[]): string[] {
  const more = claims.length - CLAIMS_MAX
  return [
    ...claims.slice(0, CLAIMS_MAX).map(describeLocalClaim),
    ...(more > 0 ? [`${more} more that peers claim is local to this host: kubespan doctor lists it`] : []),
  ]
}

/** One line for people. */
export function describeLocalClaim({ prefix, what, claimed }: LocalClaim): string {
  const who = claimed.map(({ prefix: claim, labels }) => {
    const more = labels.length - LABELS_MAX
    const names = `${labels.slice(0, LABELS_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    return claim === prefix ? names : `${names} (as ${claim})`
  })
  const verb = claimed.length === 1 && claimed[0]?.labels.length === 1 ? 'claims' : 'claim'
  return `${who.join(', ')} ${verb} ${prefix}, which is local to this host: ${what}; it is not sent to the mesh`
}
