import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import {
  AFFILIATE_PLAINTEXT_MAX_BYTES,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../shared/affiliate/codec.ts'
import type { ClusterKey } from '../../../shared/affiliate/seal.ts'
import type { UnixMilliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'

/** What this node says of itself, as it goes over the wire again and again. */
export interface OwnRecord {
  readonly affiliate: Affiliate
  /** To tell records apart: the same data is never the same ciphertext twice. */
  readonly plaintext: string
  /** Undefined when it is longer than the protocol takes. */
  readonly data: Uint8Array | undefined
  readonly endpoints: readonly Uint8Array[]
  readonly problem: string | undefined
}

/** Seals once what is sent often; `before` itself when nothing has changed since. */
export function sealOwnRecord(
  affiliate: Affiliate,
  key: ClusterKey,
  before: OwnRecord | undefined,
  nextSealedAt: () => UnixMilliseconds,
): OwnRecord {
  const { endpoints } = affiliate.kubespan
  const plaintext = `${Buffer.from(encodeAffiliate(affiliate)).toString('base64')} ${endpoints.join(' ')}`
  if (before?.plaintext === plaintext) return before
  const message = encodeAffiliate({ ...affiliate, sealedAt: nextSealedAt() })
  const fits = message.length <= AFFILIATE_PLAINTEXT_MAX_BYTES
  return {
    affiliate,
    plaintext,
    data: fits ? key.sealAffiliate(message) : undefined,
    endpoints: sealEndpoints(endpoints, key),
    problem: fits
      ? undefined
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

const NO_KUBESPAN: Affiliate['kubespan'] = {
  publicKey: '',
  address: undefined,
  additionalAddresses: [],
  excludeAdvertisedNetworks: [],
  endpoints: [],
}

export const sealEndpoints = (endpoints: readonly AddressPort[], key: ClusterKey): readonly Uint8Array[] =>
  endpoints.map((endpoint) => key.sealEndpoint(encodeEndpoint(endpoint)))
