import type { AddressPort } from '../../../shared/net/address.ts'

export interface EndpointChoice {
  /** In the order in which the affiliate advertises them. */
  readonly candidates: readonly AddressPort[]
  /** The one that we set last. */
  readonly lastUsedEndpoint: AddressPort | undefined
  /** The one that WireGuard reports. */
  readonly observedEndpoint: AddressPort | undefined
}

/** The next endpoint to try, or none when there is nothing else to try: a plain rotation (SPEC 6.3). */
export function chooseEndpoint(choice: EndpointChoice): AddressPort | undefined {
  const { candidates, lastUsedEndpoint, observedEndpoint } = choice
  const at = lastUsedEndpoint === undefined ? -1 : candidates.indexOf(lastUsedEndpoint)
  const cannotRotate = candidates.length === 1 && at === 0 && observedEndpoint === lastUsedEndpoint
  return cannotRotate ? undefined : candidates[(at + 1) % candidates.length]
}
