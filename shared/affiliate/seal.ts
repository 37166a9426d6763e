import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { inspect } from 'node:util'

export const CLUSTER_SECRET_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const BLOCK_BYTES = 16
/** One byte in front of an endpoint says how long it is. */
const ENDPOINT_MESSAGE_MAX_BYTES = 255

/** What sealing adds to an affiliate (SPEC 2.1). */
export const SEAL_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES

/** Tells one sealing from every other, be it of the same plaintext: its nonce. No secret. */
export const sealStamp = (sealed: Uint8Array): string =>
  Buffer.from(sealed.subarray(0, NONCE_BYTES)).toString('base64')

const NO_SALT = new Uint8Array(0)
const REDACTED = 'ClusterKey [redacted]'
/** Standard base64 of 32 bytes, padded. */
const SECRET = /^[A-Za-z0-9+/]{43}=$/

/**
 * The secret that all nodes of a cluster share. Affiliates are sealed with AES-256-GCM. Endpoints are enciphered block
 * by block (ECB) and not authenticated: the service merges equal ones, so equal ones have to give equal bytes.
 * No way of printing an instance shows the key.
 */
export class ClusterKey {
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    this.#key = key
  }

  /** Undefined unless the text is standard base64 of exactly 32 bytes; line breaks are ignored. */
  static fromSecret(base64: string): ClusterKey | undefined {
    const text = base64.replace(/[\r\n]/g, '')
    return SECRET.test(text) ? new ClusterKey(createSecretKey(text, 'base64')) : undefined
  }

  /** nonce ‖ ciphertext ‖ tag. Only tests give a nonce: using one twice breaks the seal. */
  sealAffiliate(plaintext: Uint8Array, nonce: Uint8Array = randomBytes(NONCE_BYTES)): Uint8Array {
    if (nonce.length !== NONCE_BYTES) throw new RangeError(`a nonce has ${NONCE_BYTES} bytes`)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
    return concat(nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  }

  /** Undefined for what was not sealed with this key, or was changed since. */
  openAffiliate(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < SEAL_OVERHEAD_BYTES) return undefined
    const tagAt = sealed.length - TAG_BYTES
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAuthTag(sealed.subarray(tagAt))
    try {
      return concat(decipher.update(sealed.subarray(NONCE_BYTES, tagAt)), decipher.final())
    } catch {
      return undefined
    }
  }

  /** Length byte ‖ message ‖ zeros up to whole blocks, enciphered. */
  sealEndpoint(message: Uint8Array): Uint8Array {
    if (message.length > ENDPOINT_MESSAGE_MAX_BYTES) throw new RangeError('the endpoint message is too long')
    const padded = new Uint8Array(Math.ceil((message.length + 1) / BLOCK_BYTES) * BLOCK_BYTES)
    padded[0] = message.length
    padded.set(message, 1)
    const cipher = createCipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false)
    return concat(cipher.update(padded), cipher.final())
  }

  /** Undefined for bytes that cannot be an endpoint. With a foreign key the result is undefined or garbage. */
  openEndpoint(sealed: Uint8Array): Uint8Array | undefined {
    return this.openEndpoints([sealed])[0]
  }

  /** The same for many at once, in their order: setting a cipher up costs more than a block. */
  openEndpoints(sealed: readonly Uint8Array[]): readonly (Uint8Array | undefined)[] {
    const whole = sealed.filter(({ length }) => length > 0 && length % BLOCK_BYTES === 0)
    const decipher = createDecipheriv('aes-256-ecb', this.#key, null).setAutoPadding(false)
    const plain = concat(decipher.update(concat(...whole)), decipher.final())
    let at = 0
    return sealed.map(({ length: bytes }) => {
      if (bytes === 0 || bytes % BLOCK_BYTES !== 0) return undefined
      const padded = plain.subarray(at, at + bytes)
      at += bytes
      const length = padded[0] ?? 0
      return length < bytes ? padded.subarray(1, 1 + length) : undefined
    })
  }

  /** Bytes for another use than sealing, of which no other use learns anything: HKDF with SHA-256, no salt (RFC 5869). */
  derive(label: string, length: number): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, NO_SALT, label, length))
  }

  /** The same secret as WireGuard's preshared key, in base64. For the standard input of `wg` and nothing else. */
  presharedKey(): string {
    return this.#key.export().toString('base64')
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

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
