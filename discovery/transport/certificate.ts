import { constants } from 'node:crypto'
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'

export interface CertificatePair {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * Clients resume nothing: they connect once and stay. Not sending tickets makes a connection measurably cheaper (those
 * of TLS 1.3 are turned off in openssl.cnf: Node has no option for them). Which cipher is taken is up to the client, who
 * knows what its machine does well: every one that is offered is good, and those of Go want AES-128 with SHA-256, with
 * which a connection costs a twentieth less than with AES-256 and SHA-384, OpenSSL's own first.
 */
const SECURITY: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_TICKET,
  honorCipherOrder: false,
}

export const secureContextOptions = ({ cert, key }: CertificatePair): SecureContextOptions => ({
  ...SECURITY,
  cert,
  key,
})

export const tlsOptions = (pair: CertificatePair, handshakeTimeout: number): TlsOptions => ({
  ...secureContextOptions(pair),
  ALPNProtocols: ['h2', 'http/1.1'],
  handshakeTimeout,
})

/** Contents of the certificate file and the key file, in this order. @throws when they do not fit together. */
export function checkPair([cert, key]: readonly Buffer[]): CertificatePair {
  if (cert === undefined || key === undefined) throw new Error('a certificate needs two files')
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new Error(`no use can be made of this certificate with this key: ${(cause as Error).message}`, {
      cause,
    })
  }
  return { cert, key }
}
