import type { Affiliate, AffiliateKubeSpan } from '../../shared/affiliate/affiliate.ts'

/** An affiliate of which the test says only what matters to it. */
export function affiliateOf(
  said: Partial<Omit<Affiliate, 'kubespan'> & AffiliateKubeSpan> & {
    readonly nodeId: string
  },
): Affiliate {
  const {
    publicKey = '',
    address,
    additionalAddresses = [],
    excludeAdvertisedNetworks = [],
    endpoints = [],
  } = said
  return {
    nodeId: said.nodeId,
    addresses: said.addresses ?? [],
    hostname: said.hostname ?? '',
    nodename: said.nodename ?? '',
    operatingSystem: said.operatingSystem ?? '',
    machineType: said.machineType ?? 'unknown',
    kubespan: { publicKey, address, additionalAddresses, excludeAdvertisedNetworks, endpoints },
    controlPlane: said.controlPlane,
  }
}
