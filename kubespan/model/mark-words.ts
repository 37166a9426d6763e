/** A mark, or any other number of bits, as `ip`, `nft` and `wg` take it. */
export const hex = (value: number): string => `0x${value.toString(16)}`

/** The bits of a 32 bit mark that are not in the mask. */
export const allBut = (mask: number): string => hex(~mask >>> 0)
