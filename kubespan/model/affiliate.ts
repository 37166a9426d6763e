import type { Affiliate } from '../../shared/affiliate/affiliate.ts'

/** Where an affiliate was learned from; the raw id of SPEC 4 is `<tier>/<node id>`. */
export interface RawAffiliate {
  /** `service/<node id>` or `k8s/<node id>`: the order in which merges fold is the byte order of this text. */
  readonly rawId: string
  readonly affiliate: Affiliate
}

/** SPEC 4: an affiliate with a node name, as Kubernetes users think of it. */
export interface Member {
  /** The node name; the id of the resource. */
  readonly id: string
  readonly nodeId: string
  readonly hostname: string
  readonly machineType: Affiliate['machineType']
  readonly operatingSystem: string
  readonly addresses: Affiliate['addresses']
  readonly controlPlane: Affiliate['controlPlane']
}
