import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { blake2sMac16 } from './blake2s.ts'

/**
 * The answering half of WireGuard's handshake (Noise_IKpsk2, the WireGuard paper section 5.4), keepalives and answers
 * to IPv6 echo requests: what it takes for a thousand peers to be up in one process. It never calls.
 */
export class Responder {
  readonly #privateKey: KeyObject
  readonly #publicKey: Buffer
  readonly #callerKey: Buffer
  readonly #caller: KeyObject
  readonly #presharedKey: Buffer
  #session:
    | { readonly sending: Buffer; readonly receiving: Buffer; readonly receiver: number; counter: bigint }
    | undefined

  /** Keys as standard base64. */
  constructor(privateKey: string, callerKey: string, presharedKey: string) {
    this.#privateKey = privateKeyOf(Buffer.from(privateKey, 'base64'))
    this.#publicKey = rawPublicKey(createPublicKey(this.#privateKey))
    this.#callerKey = Buffer.from(callerKey, 'base64')
    this.#caller = publicKeyOf(this.#callerKey)
    this.#presharedKey = Buffer.from(presharedKey, 'base64')
  }

  /** What to send back, if anything. */
  answer(message: Buffer): Buffer | undefined {
    const type = message[0]
    if (type === INITIATION && message.length === INITIATION_BYTES) return this.#respond(message)
    // Whoever sends data wants to hear something within 10 s.
    if (type === TRANSPORT && message.length > KEEPALIVE_BYTES) return this.#transport(this.#echo(message))
    return undefined
  }

  /** Undefined before the first handshake. */
  keepalive(): Buffer | undefined {
    return this.#transport(Buffer.alloc(0))
  }

  /** The packet that answers the one in the message; empty when that was no echo request, or of an older session. */
  #echo(message: Buffer): Buffer {
    const key = this.#session?.receiving
    const packet = key && open(key, message.subarray(16), Buffer.alloc(0), message.readBigUInt64LE(8))
    if (packet === undefined || packet[6] !== ICMPV6 || packet[40] !== ECHO_REQUEST) return Buffer.alloc(0)
    const answer = Buffer.from(packet)
    packet.copy(answer, 8, 24, 40)
    packet.copy(answer, 24, 8, 24)
    answer[40] = ECHO_REPLY
    // In one's complement, what the type gains the checksum loses.
    const checksum = packet.readUInt16BE(42)
    answer.writeUInt16BE(checksum >= 0x100 ? checksum - 0x100 : checksum + 0xfeff, 42)
    return answer
  }

  #transport(packet: Buffer): Buffer | undefined {
    const session = this.#session
    if (session === undefined) return undefined
    const message = Buffer.alloc(16)
    message[0] = TRANSPORT
    message.writeUInt32LE(session.receiver, 4)
    message.writeBigUInt64LE(session.counter, 8)
    const sealed = seal(session.sending, session.counter, packet, Buffer.alloc(0))
    session.counter += 1n
    return Buffer.concat([message, sealed])
  }

  #respond(initiation: Buffer): Buffer | undefined {
    const theirEphemeral = initiation.subarray(8, 40)
    let h = hash(hash(INITIAL_HASH, this.#publicKey), theirEphemeral)
    let c = derive(CONSTRUCTION_HASH, theirEphemeral, 1)[0] as Buffer
    const ephemeralCaller = publicKeyOf(theirEphemeral)
    let keys = derive(c, shared(this.#privateKey, ephemeralCaller), 2) as [Buffer, Buffer]
    const sealedStatic = initiation.subarray(40, 88)
    if (!open(keys[1], sealedStatic, h)?.equals(this.#callerKey)) return undefined
    h = hash(hash(h, sealedStatic), initiation.subarray(88, 116))
    keys = derive(keys[0], shared(this.#privateKey, this.#caller), 2) as [Buffer, Buffer]

    const ephemeral = generateKeyPairSync('x25519')
    const ours = rawPublicKey(ephemeral.publicKey)
    h = hash(h, ours)
    c = derive(keys[0], ours, 1)[0] as Buffer
    c = derive(c, shared(ephemeral.privateKey, ephemeralCaller), 1)[0] as Buffer
    c = derive(c, shared(ephemeral.privateKey, this.#caller), 1)[0] as Buffer
    const [chaining, tau, key] = derive(c, this.#presharedKey, 3) as [Buffer, Buffer, Buffer]
    h = hash(h, tau)

    const response = Buffer.alloc(RESPONSE_BYTES)
    response[0] = RESPONSE
    randomBytes(4).copy(response, 4)
    const receiver = initiation.readUInt32LE(4)
    response.writeUInt32LE(receiver, 8)
    ours.copy(response, 12)
    seal(key, 0n, Buffer.alloc(0), h).copy(response, 44)
    const macKey = hash(Buffer.from('mac1----'), this.#callerKey)
    blake2sMac16(macKey, response.subarray(0, 60)).copy(response, 60)
    const [receiving, sending] = derive(chaining, Buffer.alloc(0), 2) as [Buffer, Buffer]
    this.#session = { sending, receiving, receiver, counter: 0n }
    return response
  }
}

const INITIATION = 1
const RESPONSE = 2
const TRANSPORT = 4
const INITIATION_BYTES = 148
const RESPONSE_BYTES = 92
const KEEPALIVE_BYTES = 32
const TAG_BYTES = 16
const ICMPV6 = 58
const ECHO_REQUEST = 128
const ECHO_REPLY = 129

const hash = (...parts: readonly Uint8Array[]): Buffer => {
  const digest = createHash('blake2s256')
  for (const part of parts) digest.update(part)
  return digest.digest()
}
const CONSTRUCTION_HASH = hash(Buffer.from('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'))
const INITIAL_HASH = hash(CONSTRUCTION_HASH, Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com'))

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const digest = createHmac('blake2s256', key)
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** HKDF with as many outputs as asked for. */
function derive(key: Buffer, input: Uint8Array, outputs: number): Buffer[] {
  const secret = hmac(key, input)
  const derived: Buffer[] = []
  for (let number = 1; number <= outputs; number += 1)
    derived.push(hmac(secret, derived.at(-1) ?? Buffer.alloc(0), Buffer.from([number])))
  return derived
}

function nonceOf(counter: bigint): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64LE(counter, 4)
  return nonce
}

function seal(key: Buffer, counter: bigint, plain: Buffer, extra: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(counter), { authTagLength: TAG_BYTES })
  cipher.setAAD(extra, { plaintextLength: plain.length })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Undefined when it was sealed by somebody else. */
function open(key: Buffer, sealed: Buffer, extra: Buffer, counter = 0n): Buffer | undefined {
  const length = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('chacha20-poly1305', key, nonceOf(counter), { authTagLength: TAG_BYTES })
  decipher.setAAD(extra, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()])
  } catch {
    return undefined
  }
}

const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex')
const privateKeyOf = (raw: Buffer): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, raw]), format: 'der', type: 'pkcs8' })
const publicKeyOf = (raw: Buffer): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' })
const rawPublicKey = (key: KeyObject): Buffer =>
  key.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length)
const shared = (privateKey: KeyObject, publicKey: KeyObject): Buffer =>
  diffieHellman({ privateKey, publicKey })
