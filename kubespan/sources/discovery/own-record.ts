import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import {
  AFFILIATE_PLAINTEXT_MAX_BYTES,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../shared/affiliate/codec.ts'
import type { ClusterKey } from '../../../shared/affiliate/seal.ts'
import type { UnixMilliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import { clipped } from '../../../shared/printable.ts'

/** SPEC 1.2: a service refuses a whole record for one longer endpoint. */
const ENDPOINT_MAX_BYTES = 32

/** What this node says of itself, as it goes over the wire again and again. */
export interface OwnRecord {
  readonly affiliate: Affiliate
  /** To tell records apart: the same data is never the same ciphertext twice. */
  readonly plaintext: string
  /** Undefined when it cannot be published at all: `problem` says why. */
  readonly data: Uint8Array | undefined
  readonly endpoints: readonly Uint8Array[]
  /** Why nothing is published, or not all of it. */
  readonly problem: string | undefined
}

/** Seals once what is sent often; `before` itself when nothing has changed since. Never throws: what cannot be sealed is a problem. */
export function sealOwnRecord(
  affiliate: Affiliate,
  key: ClusterKey,
  before: OwnRecord | undefined,
  nextSealedAt: () => UnixMilliseconds,
): OwnRecord {
  const { endpoints } = affiliate.kubespan
  const bare = encoded(affiliate)
  const text = typeof bare === 'string' ? bare : Buffer.from(bare).toString('base64')
  const plaintext = `${text} ${endpoints.join(' ')}`
  if (before?.plaintext === plaintext) return before
  const message = encoded({ ...affiliate, sealedAt: nextSealedAt() })
  if (typeof message === 'string')
    return { affiliate, plaintext, data: undefined, endpoints: [], problem: message }
  const fits = message.length <= AFFILIATE_PLAINTEXT_MAX_BYTES
  const { sealed, leftOut } = sealEndpoints(endpoints, key)
  return {
    affiliate,
    plaintext,
    data: fits ? key.sealAffiliate(message) : undefined,
    endpoints: sealed,
    problem: fits
      ? describeLeftOut(leftOut)
      : `our own record is ${message.length} bytes and the protocol takes ${AFFILIATE_PLAINTEXT_MAX_BYTES}: advertise fewer addresses or networks`,
  }
}

/** The same record under another nonce, and later. */
export const sealAnew = (
  { affiliate }: OwnRecord,
  key: ClusterKey,
  nextSealedAt: () => UnixMilliseconds,
): OwnRecord => sealOwnRecord(affiliate, key, undefined, nextSealedAt)

/**
 * What a node says last: that it is no part of the mesh any more. Whoever reads it, ours or Talos, drops its tunnel at once, and
 * sends it nothing through the mesh. That it is deleted after this is for the service alone.
 */
export const farewellOf = (affiliate: Affiliate): Affiliate => ({
  ...affiliate,
  addresses: [],
  kubespan: NO_KUBESPAN,
})

/** What a node can say of itself that knows nothing but its names: all that a farewell needs. */
export const namesOnly = (
  nodeId: string,
  {
    hostname,
    nodename,
    operatingSystem,
    machineType,
  }: Pick<Affiliate, 'hostname' | 'nodename' | 'operatingSystem' | 'machineType'>,
): Affiliate => ({
  ...{ nodeId, hostname, nodename, operatingSystem, machineType },
  ...{ addresses: [], controlPlane: undefined, kubespan: NO_KUBESPAN },
})

const NO_KUBESPAN: Affiliate['kubespan'] = {
  publicKey: '',
  address: undefined,
  additionalAddresses: [],
  excludeAdvertisedNetworks: [],
  endpoints: [],
}

/** The message, or why there is none. */
function encoded(affiliate: Affiliate): Uint8Array | string {
  try {
    return encodeAffiliate(affiliate)
  } catch (error) {
    return `our own record cannot be written: ${messageOf(error)}`
  }
}

const describeLeftOut = (endpoints: readonly AddressPort[]): string | undefined =>
  endpoints.length === 0
    ? undefined
    : `not published, as the protocol has no room for it: endpoint ${clipped(endpoints.join(', '))}`

export interface SealedEndpoints {
  readonly sealed: readonly Uint8Array[]
  /** Those that no service takes, as one with the name of a link in it. */
  readonly leftOut: readonly AddressPort[]
}

export function sealEndpoints(endpoints: readonly AddressPort[], key: ClusterKey): SealedEndpoints {
  const sealed: Uint8Array[] = []
  const leftOut: AddressPort[] = []
  for (const endpoint of endpoints) {
    const bytes = sealEndpoint(endpoint, key)
    if (bytes === undefined) leftOut.push(endpoint)
    else sealed.push(bytes)
  }
  return { sealed, leftOut }
}

function sealEndpoint(endpoint: AddressPort, key: ClusterKey): Uint8Array | undefined {
  try {
    const sealed = key.sealEndpoint(encodeEndpoint(endpoint))
    return sealed.length <= ENDPOINT_MAX_BYTES ? sealed : undefined
  } catch {
    return undefined
  }
}
