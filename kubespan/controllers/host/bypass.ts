import { type Address, type AddressPort, splitAddressPort } from '../../../shared/net/address.ts'
import type { Bypass } from '../../model/desired.ts'
import type { ObservedLink } from '../../model/observed.ts'
import { firstHop } from '../../model/proxy.ts'
import type { HostPort } from '../../model/service-endpoint.ts'
import type { Settings } from '../../model/settings.ts'
import { planBypass } from '../../plan/peers/bypass.ts'

export interface BypassSources {
  readonly settings: Pick<Settings, 'services' | 'proxy' | 'bypass'>
  /** Where services are spoken to now: what one has sent us to may as well be a node of the mesh. */
  readonly goals: readonly HostPort[]
  readonly apiServers: readonly AddressPort[]
  readonly links: readonly ObservedLink[]
  /** Addresses of names, as far as they are known by now. */
  readonly addressesOf: (names: readonly string[]) => ReadonlyMap<string, readonly Address[]>
}

/** What the mesh needs to come up, by address: of services that are reached through a proxy, the proxy. */
export function gatherBypass({ settings, goals, apiServers, links, addressesOf }: BypassSources): Bypass {
  const { services, proxy, bypass } = settings
  const hops = [...services.map(({ endpoint }) => endpoint), ...goals].map((goal: HostPort) =>
    firstHop(goal, proxy),
  )
  const addresses = addressesOf([...new Set(hops.map(({ host }) => host))])
  return planBypass({
    ...bypass,
    links,
    services: [
      ...hops.map(({ host, port }) => ({ addresses: addresses.get(host) ?? [], port })),
      ...apiServers.map(splitAddressPort).map(({ address, port }) => ({ addresses: [address], port })),
    ],
  })
}
