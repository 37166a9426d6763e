import type { Address, AddressPort } from '../../shared/net/address.ts'

/** What this node says of itself, address by address, and why not more. Plain JSON. */
export interface SelfReport {
  readonly nodename: string
  readonly hostname: string
  readonly addresses: readonly OwnAddressView[]
  /** In a few words what somebody may miss: links that lead to nobody else, addresses that another machine has. */
  readonly leftOut: readonly string[]
  /** What there is to say of what is not published. */
  readonly warnings: readonly string[]
}

export interface OwnAddressView {
  readonly address: Address
  /** The link that has it, or who says that it reaches this node. */
  readonly from: string
  /** As what peers are told to try it; null: they are not told. */
  readonly endpoint: AddressPort | null
  /** Whether peers send packets for it through the mesh. */
  readonly isRouted: boolean
  /** Why it is not more than that; empty when it is all. */
  readonly reasons: readonly string[]
}

/** Of more it is enough to know that there are some. */
const LEFT_OUT_SHOWN = 6

/** One line; undefined when there is nothing to tell. */
export function describeLeftOut(leftOut: readonly string[]): string | undefined {
  if (leftOut.length === 0) return undefined
  const more = leftOut.length - LEFT_OUT_SHOWN
  const shown = [...leftOut.slice(0, LEFT_OUT_SHOWN), ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return `left out: ${shown}; "kubespan explain self" says why`
}
