/** The public contract of the service (SPEC 1.2): clients in the field are built against these numbers. */
export const CLUSTER_ID_MAX_BYTES = 256
export const AFFILIATE_ID_MAX_BYTES = 256
export const AFFILIATE_DATA_MAX_BYTES = 2048
export const ENDPOINT_MAX_BYTES = 32
/** Thirty minutes exactly; a nanosecond more is too much. */
export const TTL_MAX_MS = 30 * 60 * 1000
/** Both include what has expired and is not collected yet. */
export const CLUSTER_MAX_AFFILIATES = 1024
export const AFFILIATE_MAX_ENDPOINTS = 64
/** Of these, those that came without data: others have seen them, or say so. */
export const AFFILIATE_MAX_ENDPOINTS_OF_OTHERS = 16
