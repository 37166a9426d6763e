import {
  type Address,
  addressFromBytes,
  familyOf,
  isLinkLocal,
  unmapped,
} from '../../../shared/net/address.ts'
import { isUnicastHost } from '../../../shared/net/unicast-host.ts'

/**
 * Our address as a service tells it; undefined when it tells none that a host can have: peers would be sent to it. One whose
 * proxy spells IPv4 addresses as IPv6 means the IPv4 address.
 */
export function toldAddress(clientIp: Uint8Array): Address | undefined {
  const address = addressFromBytes(clientIp)
  if (address === undefined || !isUnicastHost(address) || isLinkLocal(address)) return undefined
  return unmapped(address)
}

/** Our addresses, and which place told them: the service that is configured, or one that it sent us to. */
export interface ToldAddresses {
  readonly by: string | undefined
  /** The last one of each family: a dual-stack node that reconnects over the other family keeps both. */
  readonly addresses: readonly Address[]
}

export const NO_TOLD_ADDRESSES: ToldAddresses = { by: undefined, addresses: [] }

/** After the place `by` has told `address`. What another place told, or this one no longer tells, is forgotten. */
export function rememberTold(known: ToldAddresses, by: string, address: Address | undefined): ToldAddresses {
  if (address === undefined) return { by, addresses: [] }
  const kept = known.by === by ? known.addresses : []
  return { by, addresses: [...kept.filter((each) => familyOf(each) !== familyOf(address)), address] }
}
