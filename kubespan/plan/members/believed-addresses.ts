import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'

export interface AddressTeller {
  readonly connected: boolean
  readonly lastContactAt: Instant | undefined
  /** Our own addresses as it saw them. */
  readonly publicAddresses: readonly Address[]
}

/**
 * Our public addresses as the services see us, without repetition. What one that is cut off told counts as long as nobody else
 * speaks, else for `ttl`: it may be from where this node no longer is.
 */
export function believedAddresses(
  services: readonly AddressTeller[],
  now: Instant,
  ttl: Milliseconds,
): readonly Address[] {
  const isAnyConnected = services.some(({ connected }) => connected)
  const believed = services.filter(
    ({ connected, lastContactAt = -Infinity }) => connected || !isAnyConnected || now - lastContactAt < ttl,
  )
  return [...new Set(believed.flatMap(({ publicAddresses }) => publicAddresses))]
}
