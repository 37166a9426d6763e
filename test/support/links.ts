import type {
  AddressFlag,
  AddressScope,
  ObservedAddress,
  ObservedLink,
} from '../../kubespan/model/observed.ts'
import { type Prefix, parsePrefix, splitPrefix } from '../../shared/net/address.ts'

/** `10.0.0.1/24`, of global scope unless the test says otherwise. */
export function addressOn(text: string, scope: AddressScope = 'global'): ObservedAddress {
  const { address, bits } = splitPrefix(parsePrefix(text) as Prefix)
  return { address, bits, scope }
}

/** The same with flags, of global scope. */
export const flagged = (text: string, ...flags: readonly AddressFlag[]): ObservedAddress => ({
  ...addressOn(text),
  flags,
})

/** A physical link that is up and carries these addresses. */
export const linkOf = (
  name: string,
  addresses: readonly (string | ObservedAddress)[] = [],
  said: Partial<ObservedLink> = {},
): ObservedLink => ({
  name,
  isUp: true,
  hasCarrier: true,
  isPhysical: true,
  mac: '02:00:00:00:00:01',
  addresses: addresses.map((address) => (typeof address === 'string' ? addressOn(address) : address)),
  ...said,
})
