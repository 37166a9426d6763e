import {
  type Address,
  familyOf,
  parseAddress,
  parseAddressPort,
  splitAddressPort,
  unmapped,
} from '../../shared/net/address.ts'
import type { PrefixSet } from '../../shared/net/prefix-set.ts'

/** The headers in which proxies tell whom they speak for. */
export type ForwardHeader = 'x-real-ip' | 'x-forwarded-for'

/** Which of the headers are believed at all, from a peer that is a trusted proxy. */
export type ForwardTrust = Readonly<Record<ForwardHeader, boolean>>

export interface ClientAddress {
  /** Undefined when the connection has none (a unix socket). */
  readonly address: Address | undefined
  /** A header that would have said otherwise, sent by a peer that nobody declared a proxy. */
  readonly ignoredHeader: ForwardHeader | undefined
}

/** The other end of a connection, judged once for all calls on it. */
export interface ConnectionPeer extends ClientAddress {
  readonly isTrustedProxy: boolean
}

/** `remoteAddress` is what the socket says; an IPv4 client of a dual-stack socket is an IPv4 client (SPEC 1.6). */
export function judgePeer(remoteAddress: string | undefined, trustedProxies: PrefixSet): ConnectionPeer {
  const parsed = remoteAddress === undefined ? undefined : parseAddress(remoteAddress)
  const address = parsed && unmapped(parsed)
  return {
    address,
    ignoredHeader: undefined,
    isTrustedProxy: address !== undefined && trustedProxies.contains(address),
  }
}

/**
 * The address of the client of one call (SPEC 1.6, and S4 of section 9): the first X-Real-IP, else the first
 * element of X-Forwarded-For, else the peer. What does not parse falls through. An IPv4 client is one however its proxy
 * spells it. `rawHeaders` are the names and values as they came; `headers` has repeated ones joined.
 */
export function chooseClientAddress(
  peer: ConnectionPeer,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  rawHeaders: readonly string[],
  trust: ForwardTrust,
): ClientAddress {
  const realIp = trust['x-real-ip'] ? headers['x-real-ip'] : undefined
  const forwardedFor = trust['x-forwarded-for'] ? headers['x-forwarded-for'] : undefined
  if (realIp === undefined && forwardedFor === undefined) return peer
  if (!peer.isTrustedProxy)
    return { ...peer, ignoredHeader: realIp === undefined ? 'x-forwarded-for' : 'x-real-ip' }
  const address =
    (realIp !== undefined ? parseClient(firstValue(rawHeaders, 'x-real-ip')) : undefined) ??
    (forwardedFor !== undefined
      ? parseClient(withoutDress(firstElement(firstValue(rawHeaders, 'x-forwarded-for'))))
      : undefined)
  return address === undefined ? peer : { address, ignoredHeader: undefined }
}

function firstValue(rawHeaders: readonly string[], name: ForwardHeader): string {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    if (rawHeaders[at] === name) return rawHeaders[at + 1] as string
  return ''
}

/** An address; proxies also write one with the port of the client, or in the brackets that a port would need. */
function parseClient(text: string): Address | undefined {
  const withPort = parseAddressPort(text)
  const address = withPort === undefined ? parseAddress(text) : splitAddressPort(withPort).address
  if (address !== undefined) return unmapped(address)
  const inside = parseAddress(/^\[(.*)\]$/.exec(text)?.[1] ?? '')
  return inside !== undefined && familyOf(inside) === 6 ? unmapped(inside) : undefined
}

/** Some write the elements of X-Forwarded-For as those of Forwarded (RFC 7239): `for="[2001:db8::7]:4711";proto=https`. */
const withoutDress = (element: string): string =>
  /^(?:for=)?"?([^";]*)"?(?:;.*)?$/i.exec(element)?.[1] ?? element

const firstElement = (list: string): string => (list.split(',', 1)[0] as string).trim()

/** So many addresses are told apart in warnings; the counter goes on without bound. */
export const IGNORED_HEADER_MAX_WARNINGS = 1024

/** Counts ignored headers and says which of them are worth a line in the log: the first from each address. */
export class IgnoredHeaders {
  readonly #warned = new Set<Address | undefined>()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** The warning to log, or undefined when this address had its own. */
  note({ address, ignoredHeader }: ClientAddress): string | undefined {
    if (ignoredHeader === undefined) return undefined
    this.#count += 1
    if (this.#warned.has(address) || this.#warned.size >= IGNORED_HEADER_MAX_WARNINGS) return undefined
    this.#warned.add(address)
    return `header ${ignoredHeader} ignored: if ${address ?? 'this peer'} is your proxy, add it to -trusted-proxies`
  }
}
