import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { AddressPort } from '../../../shared/net/address.ts'
import { within } from '../../../shared/waiting.ts'
import type { DiscoveryClientOptions } from './client-options.ts'
import { sealEndpoints } from './own-record.ts'
import { type DiscoveryTransport, RefusedCall } from './transport.ts'

/** What is told of one other node. */
export interface Telling {
  readonly affiliateId: string
  readonly endpoints: readonly AddressPort[]
}

/**
 * Endpoints of others that one service is to be told (SPEC 6.4, harvest). In a mesh of n nodes that is a call for each
 * of n - 1 others by each of n nodes, against a rate limit: so only what is new is told at once, and the rest when it ages.
 */
export class OthersRecord {
  #wanted: ReadonlyMap<string, readonly AddressPort[]> = new Map()
  readonly #told = new Map<string, { readonly text: string; readonly at: Instant }>()

  /** Whether there is something new to tell. */
  want(endpoints: ReadonlyMap<string, readonly AddressPort[]>): boolean {
    const before = this.#wanted
    this.#wanted = endpoints
    for (const id of this.#told.keys()) if (!endpoints.has(id)) this.#told.delete(id)
    return [...endpoints].some(([id, list]) => before.get(id)?.join() !== list.join())
  }

  /** What was never told, has changed, or was told `age` ago or longer. */
  due(now: Instant, age: Milliseconds): readonly Telling[] {
    return [...this.#wanted].flatMap(([affiliateId, endpoints]) => {
      const told = this.#told.get(affiliateId)
      const isKnown = told !== undefined && told.text === endpoints.join() && now - told.at < age
      return isKnown ? [] : [{ affiliateId, endpoints }]
    })
  }

  told({ affiliateId, endpoints }: Telling, at: Instant): void {
    this.#told.set(affiliateId, { text: endpoints.join(), at })
  }

  /** The service may not remember: it was restarted, or it is another one. */
  forgetTold(): void {
    this.#told.clear()
  }
}

export interface TellingOptions
  extends Pick<DiscoveryClientOptions, 'clock' | 'key' | 'ownId' | 'ttl' | 'log' | 'name'> {
  readonly signal: AbortSignal
  /** Of one call. */
  readonly timeout: Milliseconds
  /** Our own news are to go first. */
  readonly isOvertaken: () => boolean
}

/** One call for each; the rate limit makes them take their time. */
export async function tellOthers(
  others: OthersRecord,
  transport: Pick<DiscoveryTransport, 'update'>,
  { clock, key, ownId, ttl, log, name, signal, timeout, isOvertaken }: TellingOptions,
): Promise<void> {
  for (const telling of others.due(clock.now(), ttl / 4)) {
    if (isOvertaken() || signal.aborted) return
    const { affiliateId } = telling
    if (affiliateId === ownId) continue
    const { sealed: endpoints } = sealEndpoints(telling.endpoints, key)
    if (endpoints.length === 0) continue
    try {
      await within(clock, timeout, signal, 'refresh', (limit) =>
        transport.update({ affiliateId, endpoints, data: undefined, ttl }, limit),
      )
    } catch (error) {
      if (!(error instanceof RefusedCall)) throw error
      const fields = { service: name, affiliate: affiliateId, problem: error.message }
      log.info(fields, 'harvested endpoints refused')
    }
    others.told(telling, clock.now())
  }
}
