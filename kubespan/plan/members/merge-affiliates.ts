import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import type { RawAffiliate } from '../../model/affiliate.ts'

/**
 * One affiliate per node id, sorted by it, out of everything that the registries say (SPEC 4). What concerns one node
 * is folded in the byte order of the raw ids, so `k8s/…` is the base and `service/…` is laid over it.
 */
export function mergeAffiliates(raw: readonly RawAffiliate[]): Affiliate[] {
  const merged = new Map<string, Affiliate>()
  for (const { affiliate } of raw.toSorted((a, b) => compareBytes(a.rawId, b.rawId))) {
    const base = merged.get(affiliate.nodeId)
    merged.set(affiliate.nodeId, base === undefined ? affiliate : lay(affiliate, base))
  }
  return [...merged.values()].sort((a, b) => compareBytes(a.nodeId, b.nodeId))
}

function lay(over: Affiliate, base: Affiliate): Affiliate {
  const sealedAt = over.sealedAt ?? base.sealedAt
  return {
    ...(sealedAt === undefined ? {} : { sealedAt }),
    nodeId: base.nodeId,
    addresses: union(base.addresses, over.addresses),
    hostname: over.hostname || base.hostname,
    nodename: over.nodename || base.nodename,
    // The first one that knows it is kept (SPEC 9, N11); all else takes the last.
    operatingSystem: base.operatingSystem || over.operatingSystem,
    machineType: over.machineType === 'unknown' ? base.machineType : over.machineType,
    kubespan: {
      publicKey: over.kubespan.publicKey || base.kubespan.publicKey,
      address: over.kubespan.address ?? base.kubespan.address,
      additionalAddresses: union(base.kubespan.additionalAddresses, over.kubespan.additionalAddresses),
      excludeAdvertisedNetworks: union(
        base.kubespan.excludeAdvertisedNetworks,
        over.kubespan.excludeAdvertisedNetworks,
      ),
      endpoints: union(base.kubespan.endpoints, over.kubespan.endpoints),
    },
    controlPlane: over.controlPlane ?? base.controlPlane,
  }
}

/** Appends what is new; what the base holds twice it may keep twice. */
function union<T>(base: readonly T[], over: readonly T[]): readonly T[] {
  const result = [...base]
  for (const value of over) if (!result.includes(value)) result.push(value)
  return result
}
