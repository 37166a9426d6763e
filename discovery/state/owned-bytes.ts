/**
 * Bytes that the state may keep. Decoded fields are views into the transport's receive buffers of up to 64 KiB, and
 * keeping one view would keep the whole buffer alive; so crossing into the state costs one exact copy.
 */
export type OwnedBytes = Buffer & { readonly owned: unique symbol }

/** Room for exactly `length` bytes that belong to nobody else. Whoever calls it fills it. */
export const allocateOwned = (length: number): OwnedBytes => Buffer.allocUnsafeSlow(length) as OwnedBytes

/** A part of owned bytes is owned: what it keeps alive is kept anyway. */
export const ownedPart = (bytes: OwnedBytes, from: number, to: number): OwnedBytes =>
  bytes.subarray(from, to) as OwnedBytes
