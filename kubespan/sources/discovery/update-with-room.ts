import { RefusedCall } from './transport.ts'

/**
 * Updates our record with as many of our endpoints as the service has room for, from the front: it keeps those that we, or others
 * on our behalf, told it earlier until they expire, and refuses the whole record for one too many (SPEC 1.4). Resolves to how many.
 */
export async function updateWithRoom(
  endpoints: readonly Uint8Array[],
  update: (some: readonly Uint8Array[]) => Promise<void>,
): Promise<number> {
  for (let count = endpoints.length; ; count = Math.floor(count / 2)) {
    try {
      await update(endpoints.slice(0, count))
      return count
    } catch (error) {
      if (count === 0 || !isFull(error)) throw error
    }
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof RefusedCall && error.retryable && /too many endpoints/i.test(error.message)

/** Undefined when there was room for all. */
export const describeNoRoom = (taken: number, wanted: number): string | undefined =>
  taken === wanted
    ? undefined
    : `it takes ${taken} of our ${wanted} endpoints, as it keeps ones from before until they expire`
