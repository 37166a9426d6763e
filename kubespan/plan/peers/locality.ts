import {
  type Address,
  familyOf,
  hostPrefix,
  type Prefix,
  prefixContains,
  splitAddressPort,
  splitPrefix,
} from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { PeerStatus, PublicKey } from '../../model/peer.ts'
import type { LocalClaim, Neighbour, OnLinkNetwork, Surroundings } from '../../model/surroundings.ts'

/** Which peer was found to be the very machine that has this address near here. */
export type Proofs = ReadonlyMap<Address, PublicKey>

export const NO_PROOFS: Proofs = new Map()

/** Peers that claim the very address of a neighbour: most of the time nobody does. */
export type Claimants = ReadonlyMap<Address, readonly PublicKey[]>

export interface ProofInput {
  readonly before: Proofs
  readonly surroundings: Surroundings
  readonly claimants: Claimants
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
}

export function findClaimants({ neighbours }: Surroundings, claims: ClaimsOf): Claimants {
  const wanted = new Map(neighbours.map(({ address }) => [hostPrefix(address), address]))
  const claimants = new Map<Address, PublicKey[]>()
  for (const [publicKey, prefixes] of claims)
    for (const prefix of prefixes) {
      const address = wanted.get(prefix)
      if (address !== undefined) claimants.set(address, [...(claimants.get(address) ?? []), publicKey])
    }
  return claimants
}

/** What each peer asks for, prefix by prefix, before anything of it is joined. */
export type ClaimsOf = ReadonlyMap<PublicKey, readonly Prefix[]>

/**
 * A neighbour of this host may be a member that says so. It is, when the peer is up at that address, or elsewhere on the
 * link that the address is on: no machine has an address of its own network on another link. That stays true for as long as this host
 * is where it is, whatever becomes of the peer, so that nothing comes and goes with a tunnel. The very map `before` where nothing is new.
 */
export function proveNeighbours({ before, surroundings, claimants, statuses }: ProofInput): Proofs {
  const { neighbours, networks } = surroundings
  const proofs = new Map<Address, PublicKey>()
  for (const [address, keys] of claimants) {
    const links = neighbours.filter((neighbour) => neighbour.address === address).map(({ link }) => link)
    const isThere = (publicKey: PublicKey): boolean => {
      const endpoint = heardAt(statuses.get(publicKey))
      if (endpoint === undefined || endpoint === address) return endpoint === address
      return networks.some(({ link, prefix }) => links.includes(link) && prefixContains(prefix, endpoint))
    }
    const proven = keys.find(isThere) ?? keys.find((publicKey) => before.get(address) === publicKey)
    if (proven !== undefined) proofs.set(address, proven)
  }
  const isSame =
    proofs.size === before.size && [...proofs].every(([address, key]) => before.get(address) === key)
  return isSame ? before : proofs
}

/** Of a peer that is up. What it was heard from counts, and not where we have just asked for it. */
function heardAt(status: PeerStatus | undefined): Address | undefined {
  if (status?.state !== 'up' || status.endpoint === undefined) return undefined
  if (status.heardFrom !== undefined && status.heardFrom !== status.endpoint) return undefined
  return splitAddressPort(status.endpoint).address
}

/** What one peer asks to be sent. */
export interface PeerClaim {
  readonly label: string
  readonly prefixes: readonly Prefix[]
}

export interface LocalityInput {
  readonly surroundings: Surroundings
  readonly proofs: Proofs
  /** Of this host's links, as far as others may have them too. */
  readonly ownAddresses: readonly Address[]
  /** Of those whose packets are sent into the tunnel. */
  readonly claims: readonly PeerClaim[]
}

export interface Locality {
  /** All that is sent into the tunnel. */
  readonly routed: PrefixSet
  /** Neighbours that no peer was found to be: nobody in the tunnel may be one of them. */
  readonly neighbours: readonly Prefix[]
  /** These neighbours, and the networks on links that peers claim as well. */
  readonly kept: PrefixSet
  readonly told: readonly LocalClaim[]
}

/**
 * What is local stays local, whoever claims it: the gateways, name servers and DHCP servers of this host, unless a peer was
 * found to be that machine, and what is on its links, unless the claim is more specific. So another node on the same link is
 * reached through the tunnel, and a whole network that somebody claims takes nobody's link away. Addresses of this host itself
 * are none of it: the kernel asks for them first, and what is routed must not leave in clear when one of them moves.
 */
export function planLocality(input: LocalityInput): Locality {
  const { surroundings, proofs, ownAddresses, claims } = input
  const own = new Set(ownAddresses)
  const claimed = claims.flatMap(({ prefixes }) => prefixes)
  const broad = claimed.filter((prefix) => !isSingle(prefix))
  const neighbours = surroundings.neighbours.filter(
    ({ address }) => !proofs.has(address) && !own.has(address),
  )
  const reach = PrefixSet.of(broad)
  const networks = surroundings.networks.filter(({ prefix }) => reach.contains(splitPrefix(prefix).address))
  const wanted = new Set(neighbours.map(({ address }) => hostPrefix(address)))
  const routed = PrefixSet.of(broad.flatMap((prefix) => without(prefix, networks)))
    .subtract(PrefixSet.of(wanted))
    .union(PrefixSet.of(claimed.filter((prefix) => isSingle(prefix) && !wanted.has(prefix))))
  const held = networks.filter((network) => broad.some((claim) => holds(claim, network)))
  return {
    routed,
    neighbours: [...wanted],
    kept: PrefixSet.of([...wanted, ...held.map(({ prefix }) => prefix)]).subtract(routed),
    told: tell(input, neighbours, held),
  }
}

const isSingle = (prefix: Prefix): boolean => prefix.endsWith(familyOf(prefix) === 4 ? '/32' : '/128')

/** A network as large as the claim is none of the claimant's either. */
const holds = (claim: Prefix, { prefix }: Pick<OnLinkNetwork, 'prefix'>): boolean => {
  const { address, bits } = splitPrefix(prefix)
  return splitPrefix(claim).bits <= bits && prefixContains(claim, address)
}

const without = (claim: Prefix, networks: readonly OnLinkNetwork[]): readonly Prefix[] => {
  const held = networks.filter((network) => holds(claim, network))
  if (held.length === 0) return [claim]
  return PrefixSet.of([claim])
    .subtract(PrefixSet.of(held.map(({ prefix }) => prefix)))
    .toPrefixes()
}

interface Local {
  readonly prefix: Prefix
  readonly what: string
  /** Whose single addresses, and whose networks, take it from this host. */
  readonly from: { readonly single: boolean; readonly broad: boolean }
}

function tell(
  { claims, ownAddresses }: LocalityInput,
  neighbours: readonly Neighbour[],
  networks: readonly OnLinkNetwork[],
): readonly LocalClaim[] {
  const roles = Map.groupBy(neighbours, ({ address }) => hostPrefix(address))
  const local: readonly Local[] = [
    ...Array.from(roles, ([prefix, all]) => ({
      ...{ prefix, what: describeNeighbour(all), from: { single: true, broad: true } },
    })),
    ...networks
      .filter(({ prefix }) => !roles.has(prefix))
      // The single address may be that of another node, to which this host has a route of its own.
      .map(({ prefix, link }) => ({ prefix, what: `on link ${link}`, from: { single: false, broad: true } })),
    // To be within what others claim is no conflict.
    ...[...new Set(ownAddresses)].map((address) => ({
      ...{ prefix: hostPrefix(address), what: OWN, from: { single: true, broad: false } },
    })),
  ]
  const singles = new Set(local.map(({ prefix }) => prefix))
  const concerned = claims.flatMap(({ label, prefixes }) =>
    prefixes
      .filter((prefix) => !isSingle(prefix) || singles.has(prefix))
      .map((prefix) => ({ prefix, label, isSingle: isSingle(prefix) })),
  )
  return local.flatMap(({ prefix, what, from }) => {
    const holders = concerned.filter((claim) =>
      claim.isSingle ? from.single && claim.prefix === prefix : from.broad && holds(claim.prefix, { prefix }),
    )
    const byClaim = Map.groupBy(holders, (holder) => holder.prefix)
    const claimed = Array.from(byClaim, ([claim, who]) => ({
      ...{ prefix: claim, labels: who.map(({ label }) => label) },
    }))
    return claimed.length === 0 ? [] : [{ prefix, what, claimed }]
  })
}

const OWN = 'an address of this host itself'

/** `gateway and name server of eth0`. */
function describeNeighbour(all: readonly Neighbour[]): string {
  const roles = [...new Set(all.map(({ role }) => role))].join(' and ')
  const link = all.find((neighbour) => neighbour.link !== undefined)?.link
  return link === undefined ? `${roles} of this host` : `${roles} of ${link}`
}
