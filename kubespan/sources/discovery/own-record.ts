import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import {
  AFFILIATE_PLAINTEXT_MAX_BYTES,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../shared/affiliate/codec.ts'
import type { ClusterKey } from '../../../shared/affiliate/seal.ts'
import type { AddressPort } from '../../../shared/net/address.ts'

/** What this node says of itself, as it goes over the wire again and again. */
export interface OwnRecord {
  /** To tell records apart: the same data is never the same ciphertext twice. */
  readonly plaintext: string
  /** Undefined when it is longer than the protocol takes. */
  readonly data: Uint8Array | undefined
  readonly endpoints: readonly Uint8Array[]
  readonly problem: string | undefined
}

/** Seals once what is sent often; `before` itself when nothing has changed since. */
export function sealOwnRecord(
  { kubespan, ...affiliate }: Affiliate,
  key: ClusterKey,
  before: OwnRecord | undefined,
): OwnRecord {
  const message = encodeAffiliate({ ...affiliate, kubespan })
  const plaintext = `${Buffer.from(message).toString('base64')} ${kubespan.endpoints.join(' ')}`
  if (before?.plaintext === plaintext) return before
  const fits = message.length <= AFFILIATE_PLAINTEXT_MAX_BYTES
  return {
    plaintext,
    data: fits ? key.sealAffiliate(message) : undefined,
    endpoints: sealEndpoints(kubespan.endpoints, key),
    problem: fits
      ? undefined
      : `our own record is ${message.length} bytes and the protocol takes ${AFFILIATE_PLAINTEXT_MAX_BYTES}: advertise fewer addresses or networks`,
  }
}

/** The same record under another nonce. */
export function sealAnew(record: OwnRecord, key: ClusterKey): OwnRecord {
  const message = Buffer.from(record.plaintext.split(' ')[0] ?? '', 'base64')
  return record.data === undefined ? record : { ...record, data: key.sealAffiliate(message) }
}

export const sealEndpoints = (endpoints: readonly AddressPort[], key: ClusterKey): readonly Uint8Array[] =>
  endpoints.map((endpoint) => key.sealEndpoint(encodeEndpoint(endpoint)))
