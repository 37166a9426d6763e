import { type Address, familyOf, maskPrefix, prefixOf } from '../../shared/net/address.ts'
import type { Refusal } from '../validation/refusal.ts'
import type { AllowedClusters } from './allowed-clusters.ts'

export interface AdmissionOptions {
  /** Clusters that one client address (IPv6: one /64) may have brought to life at a time; 0 for any number. */
  readonly maxClustersPerAddress: number
  readonly exists: (clusterId: string) => boolean
  /** Whether there is no memory left for more. */
  readonly isMemoryShort: () => boolean
}

/** Which clusters are served, and which may be brought to life. Clusters that exist are never in question for want of room. */
export class ClusterAdmission {
  readonly #options: AdmissionOptions
  /** Who brought which cluster to life; some of them may be gone. */
  readonly #created = new Map<string, Set<string>>()
  #allowed: AllowedClusters | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** From now on only these are served; undefined for all. */
  allowOnly(allowed: AllowedClusters | undefined): void {
    this.#allowed = allowed
  }

  /** Asked for every call. */
  cluster(clusterId: string): Refusal | undefined {
    return this.#allowed === undefined || this.#allowed.has(clusterId) ? undefined : { kind: 'forbidden' }
  }

  /** Asked for an update to a cluster that does not exist. What is not refused is taken to be made. */
  newCluster(clusterId: string, address: Address | undefined): Refusal | undefined {
    const { isMemoryShort, maxClustersPerAddress } = this.#options
    if (isMemoryShort()) return NO_MEMORY
    if (maxClustersPerAddress === 0 || address === undefined) return undefined
    const origin = originOf(address)
    const created = this.#created.get(origin) ?? new Set()
    if (created.size >= maxClustersPerAddress) this.#forgetGone(created)
    if (created.size >= maxClustersPerAddress && !created.has(clusterId)) return TOO_MANY_CLUSTERS
    this.#created.set(origin, created.add(clusterId))
    return undefined
  }

  /** Forgets clusters that are gone; to be called now and then. */
  sweep(): void {
    for (const [origin, created] of this.#created) {
      this.#forgetGone(created)
      if (created.size === 0) this.#created.delete(origin)
    }
  }

  #forgetGone(created: Set<string>): void {
    for (const clusterId of created) if (!this.#options.exists(clusterId)) created.delete(clusterId)
  }
}

const NO_MEMORY: Refusal = { kind: 'crowded', what: 'the service has no memory left for new clusters' }
const TOO_MANY_CLUSTERS: Refusal = { kind: 'crowded', what: 'too many clusters from one address' }

/** Every customer has a whole /64 of IPv6 addresses. */
const IPV6_NETWORK_BITS = 64

const originOf = (address: Address): string =>
  familyOf(address) === 4 ? address : maskPrefix(prefixOf(address, IPV6_NETWORK_BITS))
