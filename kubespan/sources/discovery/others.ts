import type { Instant, Milliseconds } from '../../../shared/clock.ts'

/** What is told of one other node: its endpoints as ciphertext. */
export interface Telling {
  readonly affiliateId: string
  readonly endpoints: readonly Uint8Array[]
}

/**
 * Endpoints of others that one service is to be told (SPEC 6.4, harvest). In a mesh of n nodes that is a call for each
 * of n - 1 others by each of n nodes, against a rate limit: so only what is new is told at once, and the rest when it ages.
 */
export class OthersRecord {
  #wanted: ReadonlyMap<string, readonly Uint8Array[]> = new Map()
  #texts: ReadonlyMap<string, string> = new Map()
  readonly #told = new Map<string, { readonly text: string; readonly at: Instant }>()

  /** Whether there is something new to tell. */
  want(endpoints: ReadonlyMap<string, readonly Uint8Array[]>): boolean {
    const texts = new Map(
      Array.from(endpoints, ([id, list]) => [
        id,
        list.map((one) => Buffer.from(one).toString('base64')).join(),
      ]),
    )
    const isNew = [...texts].some(([id, text]) => this.#texts.get(id) !== text)
    this.#wanted = endpoints
    this.#texts = texts
    for (const id of this.#told.keys()) if (!texts.has(id)) this.#told.delete(id)
    return isNew
  }

  /** What was never told, has changed, or was told `age` ago or longer. */
  due(now: Instant, age: Milliseconds): readonly Telling[] {
    return [...this.#wanted].flatMap(([affiliateId, endpoints]) => {
      const told = this.#told.get(affiliateId)
      const isKnown = told !== undefined && told.text === this.#texts.get(affiliateId) && now - told.at < age
      return isKnown ? [] : [{ affiliateId, endpoints }]
    })
  }

  told({ affiliateId }: Telling, at: Instant): void {
    this.#told.set(affiliateId, { text: this.#texts.get(affiliateId) ?? '', at })
  }

  /** The service may not remember: it was restarted, or it is another one. */
  forgetTold(): void {
    this.#told.clear()
  }
}
