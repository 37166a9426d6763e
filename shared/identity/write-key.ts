import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { inspect } from 'node:util'
import type { ClusterKey } from '../affiliate/seal.ts'
import type { UnixMilliseconds } from '../clock.ts'

/** Tells this use of the cluster secret from every other. */
const LABEL = 'openspan write key 1'
const SEED_BYTES = 32
/** RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

const REDACTED = 'WriteKey [redacted]'
/** Standard base64 of 32 bytes, padded, as WireGuard writes its keys. */
const PUBLIC_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** Whether a text is a public write key. That it belongs to anybody is not said. */
export const isPublicWriteKey = (text: string): boolean => PUBLIC_KEY.test(text)

/**
 * What the members of a cluster sign with towards a discovery service (Ed25519), derived from the secret that they share: HKDF
 * with SHA-256, no salt and a label of its own. The service gets to know the public half, which says nothing of the
 * secret. No way of printing an instance shows the private one.
 */
export class WriteKey {
  readonly #key: KeyObject
  /** Base64 of 32 bytes. */
  readonly publicKey: string

  private constructor(key: KeyObject) {
    this.#key = key
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    this.publicKey = spki.subarray(PUBLIC_HEAD.length).toString('base64')
  }

  static of(secret: ClusterKey): WriteKey {
    const seed = secret.derive(LABEL, SEED_BYTES)
    return new WriteKey(
      createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, seed]), format: 'der', type: 'pkcs8' }),
    )
  }

  /** A proof, as it goes over the wire. */
  prove(claim: Claim): string {
    const signature = sign(null, textOf(claim), this.#key).toString('base64')
    return [VERSION, claim.at, claim.authority, this.publicKey, signature].join(' ')
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}

/** What a proof vouches for: that a member of this cluster has said this to this service at this time. */
export interface Claim {
  readonly clusterId: string
  /** host:port that the member dialled: a proof says nothing to a service that has another name. */
  readonly authority: string
  readonly at: UnixMilliseconds
  /** What is vouched for: a connection, or one call; see `SESSION` and `callOf`. */
  readonly what: string
}

/**
 * All that comes over the connection of the call that carries the proof. Only for connections that nobody else can read: who reads
 * it could begin another one with it.
 */
export const SESSION = 'session'

/** One call and its message, byte by byte. */
export const callOf = (method: string, message: Uint8Array): string =>
  `${method} ${createHash('sha256').update(message).digest('hex')}`

/** A proof as it was sent. Nothing of it is true before it is verified. */
export interface Proof {
  readonly at: UnixMilliseconds
  readonly authority: string
  readonly publicKey: string
  readonly signature: string
}

const VERSION = '1'
/** A host name has 253 characters at most, key and signature 44 and 88. */
const PROOF_MAX_LENGTH = 512
const PROOF = /^1 (\d{1,16}) ([\x21-\x7e]{1,300}) ([A-Za-z0-9+/]{43}=) ([A-Za-z0-9+/]{86}==)$/

/** Undefined for what is no proof of a version that is known here. */
export function readProof(text: string): Proof | undefined {
  const [, at = '', authority = '', publicKey = '', signature = ''] =
    (text.length <= PROOF_MAX_LENGTH ? PROOF.exec(text) : null) ?? []
  return isPublicWriteKey(publicKey) ? { at: Number(at), authority, publicKey, signature } : undefined
}

/** Whether the key that a proof names has signed this of this cluster. */
export function isSigned(proof: Proof, clusterId: string, what: string): boolean {
  const { at, authority, publicKey, signature } = proof
  const key = createPublicKey({
    key: Buffer.concat([PUBLIC_HEAD, Buffer.from(publicKey, 'base64')]),
    format: 'der',
    type: 'spki',
  })
  return verify(null, textOf({ clusterId, authority, at, what }), key, Buffer.from(signature, 'base64'))
}

/** No part contains a line break: ids are hashed, authorities and calls have none. */
const textOf = ({ clusterId, authority, at, what }: Claim): Buffer =>
  Buffer.from(
    [
      'openspan write proof 1',
      createHash('sha256').update(clusterId, 'utf8').digest('hex'),
      authority,
      `${at}`,
      what,
    ].join('\n'),
  )
