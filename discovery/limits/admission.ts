import type { Address } from '../../shared/net/address.ts'
import type { Refusal } from '../validation/refusal.ts'
import type { AllowedClusters } from './allowed-clusters.ts'
import type { Claims } from './claims.ts'
import { originOf } from './origin.ts'

/** What a call proves of who sent it. */
export interface Proven {
  /** The write key of the proof; undefined without one that counts. */
  readonly key: string | undefined
  /** Why a proof that came does not count. */
  readonly problem: string | undefined
}

const NOTHING_PROVEN: Proven = { key: undefined, problem: undefined }

export interface AdmissionOptions {
  /** Clusters that one client address (IPv6: one /64) may have brought to life at a time; 0 for any number. */
  readonly maxClustersPerAddress: number
  readonly claims: Claims
  /** Whether there is no memory left for more. */
  readonly isMemoryShort: () => boolean
}

/** Which clusters are served, and which may be brought to life. Clusters that exist are never in question for want of room. */
export class ClusterAdmission {
  readonly #options: AdmissionOptions
  #allowed: AllowedClusters | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** From now on only these are served; undefined for all. */
  allowOnly(allowed: AllowedClusters | undefined): void {
    this.#allowed = allowed
  }

  /** Asked for every call, with what it proves. */
  cluster(clusterId: string, { key, problem }: Proven = NOTHING_PROVEN): Refusal | undefined {
    if (this.#allowed === undefined) return undefined
    const cluster = this.#allowed.find(clusterId)
    if (cluster === undefined) return { kind: 'forbidden' }
    if (!cluster.isMembersOnly || key === cluster.key) return undefined
    const why = problem ?? (key === undefined ? 'the call has none' : 'it is of another write key')
    return { kind: 'unproven', what: `this service wants a proof of membership in the cluster: ${why}` }
  }

  /** The write key that the operator has named for the cluster. */
  keyOf(clusterId: string): string | undefined {
    return this.#allowed?.find(clusterId)?.key
  }

  /** Asked for an update to a cluster that does not exist. What is not refused is taken to be made. */
  newCluster(
    clusterId: string,
    address: Address | undefined,
  ): Refusal | undefined | Promise<Refusal | undefined> {
    const { isMemoryShort, maxClustersPerAddress, claims } = this.#options
    if (isMemoryShort()) return NO_MEMORY
    if (maxClustersPerAddress === 0 || address === undefined) return undefined
    const claimed = claims.claim(originOf(address), clusterId, maxClustersPerAddress)
    return claimed instanceof Promise ? claimed.then(refusalOf) : refusalOf(claimed)
  }
}

const refusalOf = (claimed: boolean | Refusal): Refusal | undefined =>
  typeof claimed !== 'boolean' ? claimed : claimed ? undefined : TOO_MANY_CLUSTERS

const NO_MEMORY: Refusal = { kind: 'crowded', what: 'the service has no memory left for new clusters' }
const TOO_MANY_CLUSTERS: Refusal = { kind: 'crowded', what: 'too many clusters from one address' }
