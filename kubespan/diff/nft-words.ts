/** Numbers of `nft`'s priority names. Connections are tracked at -200, destinations translated at -100, sources at 100. */
export const PRIORITY_RAW = -300
export const PRIORITY_MANGLE = -150
export const PRIORITY_FILTER = 0
export const PRIORITY_BEFORE_SOURCE_NAT = 99
