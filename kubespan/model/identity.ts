import type { Address, Prefix } from '../../shared/net/address.ts'

/** SPEC 3.2: who this node is in the mesh. The private key never leaves identity-file and `wg`'s standard input. */
export interface Identity {
  readonly nodeId: string
  readonly publicKey: string
  readonly privateKey: string
  /** ULA of this node (SPEC 3.3). */
  readonly address: Address
  /** False: of the node id, as there is no network card, or another node has the same hardware address. */
  readonly isMadeOfHardwareAddress?: boolean
  /** The /64 of the whole mesh. */
  readonly subnet: Prefix
}
