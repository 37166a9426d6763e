import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import type { PublicKey } from './peer.ts'

/**
 * What becomes of packets: into the tunnel, nowhere, out in clear because nobody else wants them or because they must, to
 * this host itself, or refused before they exist.
 */
export type Way = 'tunnel' | 'black hole' | 'native' | 'bypass' | 'local' | 'no route'

export interface Verdict {
  readonly way: Way
  /** One sentence for people. */
  readonly says: string
}

/** One thing that the kernel was asked, and what it means. */
export interface Step {
  readonly asked: string
  readonly says: string
}

export interface Candidate {
  readonly endpoint: AddressPort
  /** What kind of place it is from here; the list is in the order in which the kinds are tried. */
  readonly kind: string
  readonly result: string
}

export interface OwnerView {
  readonly publicKey: PublicKey
  /** Empty when no daemon told us. */
  readonly label: string
  readonly nodeId: string
  readonly state: string
  readonly reason: string | undefined
  /** Who told of it: `service/<name>`, `k8s`, `cache`. */
  readonly sources: readonly string[]
}

export interface AddressExplanation {
  readonly address: Address
  /** TCP port asked about; undefined: all. */
  readonly port: number | undefined
  readonly verdict: Verdict
  /** TCP ports of this address that leave outside the tunnel whatever else is true. */
  readonly bypassPorts: readonly number[]
  readonly owner: OwnerView | undefined
  readonly prefix: Prefix | undefined
  readonly steps: readonly Step[]
  readonly candidates: readonly Candidate[]
  readonly notes: readonly string[]
}

export interface PeerExplanation {
  readonly owner: OwnerView
  readonly address: Address
  readonly verdicts: readonly { readonly prefix: Prefix; readonly verdict: Verdict }[]
  readonly candidates: readonly Candidate[]
  readonly notes: readonly string[]
}
