import {
  type Address,
  type AddressPort,
  addressPortOf,
  splitAddressPort,
} from '../../../shared/net/address.ts'
import type { Bypass } from '../../model/desired.ts'
import { isOurs, type ObservedLink } from '../../model/observed.ts'

export interface BypassInput {
  /** What the mesh needs to come up: discovery services, API servers. */
  readonly services: readonly { readonly addresses: readonly Address[]; readonly port: number }[]
  /** What the user adds, as `bypass` of the configuration. */
  readonly destinations: readonly AddressPort[]
  readonly localPorts: readonly number[]
  readonly conntrackMark: number
  /** To find out which of the services runs on this very machine. */
  readonly links: readonly ObservedLink[]
}

/**
 * What may pass the tunnel by, because the tunnel comes up through it: exactly the addresses and TCP ports of the services, and
 * nothing wider. A service on one of our own addresses must be able to answer whoever calls from outside the tunnel.
 */
export function planBypass(input: BypassInput): Bypass {
  const own = new Set(
    input.links.flatMap(({ addresses }) => addresses.filter(isOurs).map(({ address }) => address)),
  )
  const reached = input.services.flatMap(({ addresses, port }) =>
    addresses.map((address) => addressPortOf(address, port)),
  )
  const isOwn = (goal: AddressPort): boolean => own.has(splitAddressPort(goal).address)
  const ownPorts = reached.filter(isOwn).map((goal) => splitAddressPort(goal).port)
  return {
    destinations: [...new Set([...reached.filter((goal) => !isOwn(goal)), ...input.destinations])].sort(),
    localPorts: [...new Set([...ownPorts, ...input.localPorts])].sort((a, b) => a - b),
    conntrackMark: input.conntrackMark,
  }
}
