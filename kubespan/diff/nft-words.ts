/** Numbers of `nft`'s priority names. Connections are tracked at -200, destinations translated at -100, sources at 100. */
export const PRIORITY_RAW = -300
export const PRIORITY_MANGLE = -150
export const PRIORITY_FILTER = 0
export const PRIORITY_BEFORE_SOURCE_NAT = 99

export const hex = (value: number): string => `0x${value.toString(16)}`

/** The bits of a 32 bit mark that are not in the mask. */
export const allBut = (mask: number): string => hex(~mask >>> 0)
