import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import {
  type Address,
  type AddressPort,
  addressPortOf,
  splitAddressPort,
} from '../../../shared/net/address.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { OwnAddressView, SelfReport } from '../../model/own-address.ts'
import type { AddressVerdict, DroppedAddress } from './select-addresses.ts'

export interface SelfDescriptionInput {
  /** As it is published. */
  readonly affiliate: Affiliate
  readonly links: readonly ObservedLink[]
  readonly verdicts: readonly AddressVerdict[]
  readonly publicAddresses: readonly Address[]
  /** As they are configured, `auto:` replaced. */
  readonly announced: readonly AddressPort[]
  readonly listenPort: number
  /** Decisions against endpoints that are not decisions against their addresses. */
  readonly droppedEndpoints: readonly DroppedAddress[]
  readonly warnings: readonly string[]
}

const NO_ROOM = 'no room in the record'

/** Every address that this host has or is known by, what became of it, and why. */
export function describeSelf(input: SelfDescriptionInput): SelfReport {
  const { affiliate, verdicts, publicAddresses, announced, listenPort } = input
  const endpoints = new Set(affiliate.kubespan.endpoints)
  const routed = new Set(affiliate.addresses)
  const against = new Map(input.droppedEndpoints.map(({ address, reason }) => [address, reason]))
  const offered = (address: Address): AddressPort | null => {
    const endpoint = addressPortOf(address, listenPort)
    return endpoints.has(endpoint) ? endpoint : null
  }
  const ofHost = verdicts.map(({ address, link, notReached, notRouted }): OwnAddressView => {
    const endpoint = offered(address)
    const isRouted = routed.has(address)
    const reasons = [
      ...(endpoint === null ? [notReached ?? against.get(address) ?? NO_ROOM] : []),
      ...(isRouted ? [] : [notRouted ?? NO_ROOM]),
    ]
    return { address, from: link ?? 'externalAddresses', endpoint, isRouted, reasons: [...new Set(reasons)] }
  })
  const known = new Set(ofHost.map(({ address }) => address))
  const seen = publicAddresses
    .filter((address) => !known.has(address))
    .map((address): OwnAddressView => {
      const endpoint = offered(address)
      const reasons = endpoint === null ? [against.get(address) ?? NO_ROOM] : []
      return { address, from: 'discovery service', endpoint, isRouted: false, reasons }
    })
  const configured = announced.map((endpoint): OwnAddressView => {
    const isOffered = endpoints.has(endpoint)
    return {
      address: splitAddressPort(endpoint).address,
      from: 'extraAnnouncedEndpoints',
      endpoint: isOffered ? endpoint : null,
      isRouted: false,
      reasons: isOffered ? [] : [NO_ROOM],
    }
  })
  return {
    nodename: affiliate.nodename,
    hostname: affiliate.hostname,
    addresses: [...ofHost, ...seen, ...configured],
    leftOut: [...input.links.flatMap(leftOutLink), ...input.links.flatMap(lostAddresses)],
    warnings: input.warnings,
  }
}

const reaches = ({ scope }: ObservedLink['addresses'][number]): boolean =>
  scope === 'global' || scope === 'site'

const leftOutLink = ({ name, leadsNowhere, addresses }: ObservedLink): readonly string[] =>
  leadsNowhere !== undefined && addresses.some(reaches) ? [name] : []

const lostAddresses = ({ leadsNowhere, addresses }: ObservedLink): readonly string[] =>
  leadsNowhere === undefined
    ? addresses.flatMap(({ address, flags }) =>
        flags?.includes('dadfailed') ? [`${address} (another machine has it)`] : [],
      )
    : []
