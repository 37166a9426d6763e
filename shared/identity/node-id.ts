/**
 * Node ids: 32 random bytes in "compact base62" (SPEC 3.1). The bytes are one big-endian number, read from its least
 * significant end in steps of six bits. Six bits hold 64 values and the alphabet has 62 letters, so values that end in
 * 1111x would not fit: of those only five bits are taken, and a letter of the form x1111x tells the decoder so.
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const VALUES: ReadonlyMap<string, number> = new Map([...ALPHABET].map((letter, value) => [letter, value]))

const SHORT_MASK = 0b011110
const FIVE_BITS = 0b011111
const MACHINE_ID_BYTES = 16

const isShort = (value: number): boolean => (value & SHORT_MASK) === SHORT_MASK

export function encodeNodeId(bytes: Uint8Array): string {
  let rest = bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`)
  let bitsLeft = bytes.length * 8
  let text = ''
  while (bitsLeft > 0) {
    const value = Number(BigInt.asUintN(6, rest))
    const isWhole = bitsLeft <= 6 && value <= FIVE_BITS // nothing follows: all that is left goes into this letter
    const taken = isShort(value) && !isWhole ? 5 : 6
    text += ALPHABET[isShort(value) ? value & FIVE_BITS : value]
    rest >>= BigInt(taken)
    bitsLeft -= taken
  }
  return text
}

/** Undefined for text with a letter outside the alphabet. Leading zero bytes may be lost. */
export function decodeNodeId(text: string): Uint8Array | undefined {
  let number = 0n
  let bits = 0
  const letters = [...text]
  for (const [index, letter] of letters.entries()) {
    const value = VALUES.get(letter)
    if (value === undefined) return undefined
    number |= BigInt(value) << BigInt(bits)
    if (index < letters.length - 1) bits += isShort(value) ? 5 : 6
    else bits += 32 - Math.clz32(value) // the last letter stands for its significant bits only
  }
  const bytes = Math.ceil(bits / 8)
  return bytes === 0 ? new Uint8Array() : fromHex(number.toString(16).padStart(bytes * 2, '0'))
}

/** Lower-case hex of the first 16 bytes behind the id, as /etc/machine-id has it; undefined for what is no node id. */
export function machineIdOf(nodeId: string): string | undefined {
  const bytes = decodeNodeId(nodeId)
  return bytes === undefined || bytes.length < MACHINE_ID_BYTES
    ? undefined
    : toHex(bytes.subarray(0, MACHINE_ID_BYTES))
}

/** Whether a text has nothing but letters of the alphabet, which is all that nodes agree on (SPEC 3.1). */
export const isNodeId = (text: string): boolean => /^[0-9A-Za-z]+$/.test(text)

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
