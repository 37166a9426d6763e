import type { Affiliate, MachineType } from '../../../shared/affiliate/affiliate.ts'
import { AFFILIATE_ENDPOINTS_MAX, AFFILIATE_PLAINTEXT_MAX_BYTES } from '../../../shared/affiliate/codec.ts'
import type { Address, AddressPort, Prefix } from '../../../shared/net/address.ts'
import type { Identity } from '../../model/identity.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { SelfReport } from '../../model/own-address.ts'
import type { Settings } from '../../model/settings.ts'
import { bestFirst } from './best-first.ts'
import { describeSelf } from './describe-self.ts'
import { type FittedRecord, fitRecord } from './fit-record.ts'
import { planLocalEndpoints } from './local-endpoints.ts'
import { chooseFrom, type DroppedAddress, judgeAddresses } from './select-addresses.ts'

export interface LocalAffiliateInput {
  readonly nodeId: string
  /** Empty while not known. */
  readonly hostname: string
  readonly nodename: string
  readonly machineType: MachineType
  readonly operatingSystem: string
  /** Set only on control plane nodes that run an API server. */
  readonly controlPlanePort: number | undefined
  /** Undefined until the links were first looked at. */
  readonly links: readonly ObservedLink[] | undefined
  readonly externalAddresses: readonly Address[]
  /** As the discovery services see us. */
  readonly publicAddresses: readonly Address[]
  /** Of the whole cluster. */
  readonly podCidrs: readonly Prefix[]
  readonly serviceCidrs: readonly Prefix[]
  /** The pod networks of this node alone: the only ones that it may advertise. */
  readonly nodePodCidrs: readonly Prefix[]
  /** Undefined while KubeSpan is off: the node is then an affiliate, but no peer. */
  readonly identity: Pick<Identity, 'publicKey' | 'address'> | undefined
  readonly listenPort: number
  readonly settings: Pick<
    Settings,
    | 'advertiseKubernetesNetworks'
    | 'excludeAdvertisedNetworks'
    | 'endpointFilters'
    | 'extraAnnouncedEndpoints'
  >
}

export interface LocalAffiliatePlan {
  readonly affiliate: Affiliate
  /** Decisions against addresses, for the log. */
  readonly dropped: readonly DroppedAddress[]
  readonly warnings: readonly string[]
  /** Of every address what became of it. */
  readonly report: SelfReport
}

/**
 * What this node says of itself (SPEC 3.4), and why it does not say more. Undefined until everything that it
 * must say is known. The caller asks only while some registry is enabled.
 */
export function explainLocalAffiliate(input: LocalAffiliateInput): LocalAffiliatePlan | undefined {
  const { nodeId, hostname, nodename, machineType, operatingSystem, links, identity, settings } = input
  if (hostname === '' || nodename === '' || machineType === 'unknown' || links === undefined) return undefined

  const { podCidrs, serviceCidrs, nodePodCidrs } = input
  const verdicts = judgeAddresses({
    links,
    externalAddresses: input.externalAddresses,
    kubernetesNetworks: [...podCidrs, ...serviceCidrs, ...nodePodCidrs],
  })
  const { current, routed, dropped } = chooseFrom(verdicts)
  const base = { nodeId, addresses: routed, hostname, nodename, operatingSystem, machineType }
  const isControlPlane = machineType === 'controlplane' || machineType === 'init'
  const controlPlane =
    isControlPlane && input.controlPlanePort !== undefined ? { port: input.controlPlanePort } : undefined
  const best = bestFirst(links, routed)
  if (identity === undefined) {
    const fitted = fitRecord({ ...base, kubespan: NO_KUBESPAN, controlPlane }, best)
    const { affiliate } = fitted
    const warnings = describeLeftOut(fitted, [])
    const droppedEndpoints = current.map((address) => ({ address, reason: 'KubeSpan is disabled' }))
    const report = describeSelf({
      ...{ affiliate, links, verdicts, droppedEndpoints, warnings },
      ...NO_ENDPOINTS,
    })
    return { affiliate, dropped, warnings, report }
  }

  const { publicAddresses, listenPort } = input
  const { endpoints, announced, leftOut, ...reasons } = planLocalEndpoints({
    currentAddresses: current,
    links,
    publicAddresses,
    ownAddress: identity.address,
    listenPort,
    ...settings,
  })
  const kubespan = {
    publicKey: identity.publicKey,
    address: identity.address,
    additionalAddresses: settings.advertiseKubernetesNetworks ? nodePodCidrs : [],
    excludeAdvertisedNetworks: settings.excludeAdvertisedNetworks,
    endpoints,
  }
  // Our own address in the mesh is what peers are sure to send to.
  const isMesh = (address: Address): boolean => address === identity.address
  const fitted = fitRecord({ ...base, kubespan, controlPlane }, [
    ...best.filter(isMesh),
    ...best.filter((address) => !isMesh(address)),
  ])
  const { affiliate } = fitted
  const warnings = [...reasons.warnings, ...describeLeftOut(fitted, leftOut)]
  const report = describeSelf({
    ...{ affiliate, links, verdicts, publicAddresses, announced, listenPort, warnings },
    droppedEndpoints: reasons.dropped,
  })
  return { affiliate, dropped: [...dropped, ...reasons.dropped], warnings, report }
}

const NO_ENDPOINTS = { publicAddresses: [], announced: [], listenPort: 0 } as const

/** One warning for all of it. */
function describeLeftOut(
  { addresses, networks, exclusions }: FittedRecord,
  endpoints: readonly AddressPort[],
): readonly string[] {
  const parts = [
    [endpoints.length, 'endpoints'],
    [addresses.length, 'addresses'],
    [networks.length, 'advertised networks'],
    [exclusions.length, 'excluded networks, with all that is inside them'],
  ] as const
  const counts = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  return counts.length === 0
    ? []
    : [
        `not published, as a discovery service takes ${AFFILIATE_ENDPOINTS_MAX} endpoints and ${AFFILIATE_PLAINTEXT_MAX_BYTES} bytes: ` +
          `${counts.join(', ')} of this host; the best are ("kubespan explain self" lists all, filters.links and filters.endpoints choose)`,
      ]
}

/** `explainLocalAffiliate` without the reasons. */
export const planLocalAffiliate = (input: LocalAffiliateInput): Affiliate | undefined =>
  explainLocalAffiliate(input)?.affiliate

const NO_KUBESPAN: Affiliate['kubespan'] = {
  publicKey: '',
  address: undefined,
  additionalAddresses: [],
  excludeAdvertisedNetworks: [],
  endpoints: [],
}
