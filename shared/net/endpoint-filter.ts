import {
  type Address,
  hostPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixContains,
} from './address.ts'

/** One entry of a filter list: a network, or with a leading `!` one to leave out. */
export interface EndpointFilter {
  readonly isNegative: boolean
  readonly prefix: Prefix
}

/** Undefined for text that is neither a CIDR nor an address. A zone swallows what follows it and does not count. */
export function parseFilter(text: string): EndpointFilter | undefined {
  const isNegative = text.startsWith('!')
  const network = isNegative ? text.slice(1) : text
  const address = parseAddress(network)
  const prefix = address === undefined ? parsePrefix(network) : hostPrefix(address)
  return prefix && { isNegative, prefix }
}

/**
 * Starts with nothing; each filter in turn adds what it matches, or takes it away (SPEC 3.4). So the filters decide
 * the order of the result, a negative one says nothing of what comes after it, and without a positive one nothing is left.
 * Filters are checked where the configuration is read; one that does not parse throws TypeError here.
 */
export function filterAddresses(addresses: readonly Address[], filters: readonly string[]): Address[] {
  const kept = new Set<Address>()
  for (const text of filters) {
    const filter = parseFilter(text)
    if (filter === undefined) throw new TypeError(`neither a CIDR nor an address: ${text}`)
    for (const address of addresses) {
      if (!prefixContains(filter.prefix, address)) continue
      if (filter.isNegative) kept.delete(address)
      else kept.add(address)
    }
  }
  return [...kept]
}
