import type { UnixMilliseconds } from '../clock.ts'
import type { Address, AddressPort, Prefix } from '../net/address.ts'

/** SPEC 2.2: `init`, `join` and the empty text are other spellings on the wire; see codec.ts. */
export type MachineType = 'init' | 'controlplane' | 'worker' | 'unknown'

export interface AffiliateKubeSpan {
  /** Base64; empty when the node has none yet. */
  readonly publicKey: string
  /** ULA of the node in the mesh. */
  readonly address: Address | undefined
  /** Usually pod CIDRs. May hold a prefix that is longer than its family allows, as the wire does not forbid it. */
  readonly additionalAddresses: readonly Prefix[]
  /** Subtracted by every peer from what this node advertises (SPEC 6.1). */
  readonly excludeAdvertisedNetworks: readonly Prefix[]
  readonly endpoints: readonly AddressPort[]
}

/** What a node says of itself (SPEC 1.1, 3.4): plain values, whatever tier it came through. */
export interface Affiliate {
  readonly nodeId: string
  readonly addresses: readonly Address[]
  readonly hostname: string
  readonly nodename: string
  readonly operatingSystem: string
  readonly machineType: MachineType
  /** Always there; without KubeSpan its key is empty. */
  readonly kubespan: AffiliateKubeSpan
  readonly controlPlane: { readonly port: number } | undefined
  /** When the node sealed it, by its own clock, and always later than before. Absent: a node of Talos, or no discovery service, says it. */
  readonly sealedAt?: UnixMilliseconds
}
