import {
  type Address,
  type AddressPort,
  parseAddress,
  splitAddressPort,
} from '../../../shared/net/address.ts'
import type { KubernetesReport } from '../../model/kubernetes.ts'
import type { ObservedLink } from '../../model/observed.ts'
import { firstHop } from '../../model/proxy.ts'
import { formatHostPort, type HostPort } from '../../model/service-endpoint.ts'
import type { Settings } from '../../model/settings.ts'
import {
  type BypassGoal,
  type BypassPlan,
  type GoalOrigin,
  type OwnedSpace,
  planBypass,
} from '../../plan/peers/bypass.ts'

export interface BypassSources {
  readonly settings: Pick<Settings, 'services' | 'proxy' | 'bypass'>
  /** Where services are spoken to now: what one has sent us to may as well be a node of the mesh. */
  readonly goals: readonly HostPort[]
  readonly kubernetes?: Pick<KubernetesReport, 'apiServers' | 'resolvedApiServers'> | undefined
  readonly links: readonly ObservedLink[]
  /** Addresses of names, as far as they are known by now. */
  readonly addressesOf: (names: readonly string[]) => ReadonlyMap<string, readonly Address[]>
}

/** What the mesh needs to come up, by address: of services that are reached through a proxy, the proxy. */
export function gatherBypass(
  { settings, goals, kubernetes, links, addressesOf }: BypassSources,
  owned: () => OwnedSpace,
): BypassPlan {
  const { services, proxy, bypass } = settings
  const written = new Set(services.map(({ endpoint }) => formatHostPort(endpoint)))
  const sent = goals.filter((goal) => !written.has(formatHostPort(goal)))
  const hops = [
    ...services.map(({ endpoint }) => ({ hop: firstHop<HostPort>(endpoint, proxy), isSent: false })),
    ...sent.map((goal) => {
      const hop = firstHop<HostPort>(goal, proxy)
      return { hop, isSent: hop === goal }
    }),
  ]
  const addresses = addressesOf([...new Set(hops.map(({ hop }) => hop.host))])
  return planBypass({
    ...{ ...bypass, links, owned },
    services: [
      ...hops.map(({ hop: { host, port }, isSent }): BypassGoal => {
        const origin: GoalOrigin = parseAddress(host) === undefined ? 'resolved' : 'configured'
        return { addresses: addresses.get(host) ?? [], port, origin: isSent ? 'sent' : origin, name: host }
      }),
      ...(kubernetes?.apiServers ?? []).map((server) => apiServer(server, 'configured')),
      ...(kubernetes?.resolvedApiServers ?? []).map((server) => apiServer(server, 'resolved')),
    ],
  })
}

function apiServer(server: AddressPort, origin: GoalOrigin): BypassGoal {
  const { address, port } = splitAddressPort(server)
  return { addresses: [address], port, origin, name: 'the API server' }
}
