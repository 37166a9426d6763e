import {
  type Address,
  type AddressPort,
  addressPortOf,
  familyOf,
  hostPrefix,
  type Prefix,
  prefixContains,
  splitAddressPort,
  splitPrefix,
} from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { Bypass } from '../../model/desired.ts'
import { isOurs, type ObservedLink } from '../../model/observed.ts'

/**
 * Who says that the mesh comes up through an address: `configured`, the operator wrote it; `resolved`, a name server, of a name that the
 * operator wrote; `sent`, a service that sends us there.
 */
export type GoalOrigin = 'configured' | 'resolved' | 'sent'

export interface BypassGoal {
  readonly addresses: readonly Address[]
  readonly port: number
  readonly origin: GoalOrigin
  /** For people: `discovery.example`. */
  readonly name: string
}

export interface BypassInput {
  /** What the mesh needs to come up: discovery services, API servers. */
  readonly services: readonly BypassGoal[]
  /** What the user adds, as `bypass` of the configuration. */
  readonly destinations: readonly AddressPort[]
  readonly localPorts: readonly number[]
  readonly conntrackMark: number
  /** To find out which of the services runs on this very machine. */
  readonly links: readonly ObservedLink[]
  /** Dear to make, and asked for only where a goal was learned. */
  readonly owned: () => OwnedSpace
}

/** What is sent into the tunnel, and what of it is somebody's own. */
export interface OwnedSpace {
  readonly routed: PrefixSet
  /** Without what is routed only because a peer takes everything: whoever offers a way out owns nothing of what lies there. */
  readonly own: PrefixSet
}

export interface BypassPlan {
  readonly bypass: Bypass
  /** Learned addresses that peers have, and that therefore are reached through the tunnel only. Sorted. */
  readonly kept: readonly KeptGoal[]
}

export interface KeptGoal {
  readonly goal: AddressPort
  readonly name: string
  readonly origin: Exclude<GoalOrigin, 'configured'>
}

export interface OwnedInput {
  readonly routed: readonly Prefix[]
  /** Our mesh's own prefix. */
  readonly subnet: Prefix
  /** Of all peers. */
  readonly claimed: Iterable<Prefix>
}

export function planOwned({ routed, subnet, claimed }: OwnedInput): OwnedSpace {
  const all = PrefixSet.of([...routed, subnet])
  const claims = [...claimed]
  const wholeFamilies = new Set(claims.filter(isEverything).map(familyOf))
  if (wholeFamilies.size === 0) return { routed: all, own: all }
  return {
    routed: all,
    own: PrefixSet.of([
      subnet,
      ...routed.filter((prefix) => !wholeFamilies.has(familyOf(prefix))),
      ...claims.filter((prefix) => wholeFamilies.has(familyOf(prefix)) && !isEverything(prefix)),
    ]),
  }
}

/**
 * What may pass the tunnel by, because the tunnel comes up through it: exactly the addresses and TCP ports of the services, and
 * nothing wider. A service on one of our own addresses must be able to answer whoever calls from outside the tunnel.
 *
 * Everything on this host that calls such a goal leaves in clear, not only this daemon: Node cannot mark a socket of its own. So
 * nobody but the operator opens that door where it matters: what a name server says never leads to an address that a peer has past
 * the tunnel, and where a service sends us nothing passes by at all. Of what is not routed nothing has to.
 */
export function planBypass(input: BypassInput): BypassPlan {
  const { links, owned, services, conntrackMark } = input
  const own = new Set(
    links.flatMap(({ addresses }) => addresses.filter(isOurs).map(({ address }) => address)),
  )
  const reached = services.flatMap(({ addresses, port, ...said }) =>
    addresses.map((address) => ({ ...said, address, port, goal: addressPortOf(address, port) })),
  )
  const configured = new Set([
    ...input.destinations,
    ...reached.filter(({ origin }) => origin === 'configured').map(({ goal }) => goal),
  ])
  const mayPass = ({ goal, address, origin }: (typeof reached)[number]): boolean =>
    configured.has(goal) || (origin === 'resolved' && !owned().own.contains(address))
  const outside = reached.filter(({ address }) => !own.has(address))
  const here = reached.filter(({ address, origin }) => own.has(address) && origin !== 'sent')
  const destinations = new Set([...outside.filter(mayPass).map(({ goal }) => goal), ...input.destinations])
  const kept = outside.flatMap(({ goal, address, name, origin }) =>
    origin !== 'configured' && !destinations.has(goal) && owned().routed.contains(address)
      ? [{ goal, name, origin }]
      : [],
  )
  return {
    bypass: {
      destinations: [...destinations].sort(),
      localPorts: [...new Set([...here.map(({ port }) => port), ...input.localPorts])].sort((a, b) => a - b),
      conntrackMark,
    },
    kept: [...new Map(kept.map((one) => [one.goal, one])).values()].sort((a, b) =>
      a.goal < b.goal ? -1 : 1,
    ),
  }
}

/** For people: what was not let past, whose it is, and what to do if that is not as it should be. */
export function describeKept(
  { goal, name, origin }: KeptGoal,
  peers: readonly { readonly label: string; readonly prefixes: readonly Prefix[] }[],
): string {
  const { address } = splitAddressPort(goal)
  const owner = peers.find(({ prefixes }) =>
    prefixes.some((prefix) => prefix === hostPrefix(address) || prefixContains(prefix, address)),
  )
  const whose = owner === undefined ? 'is within the mesh' : `belongs to ${owner.label}`
  const how = origin === 'sent' ? 'which a discovery service sends us to,' : `an address of ${name},`
  return `${goal}, ${how} ${whose}, so it is reached through the tunnel only; bypass.destinations lets it pass by`
}

const isEverything = (prefix: Prefix): boolean => splitPrefix(prefix).bits === 0
