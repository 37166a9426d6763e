import { lookup } from 'node:dns/promises'
import type { Clock, Milliseconds } from '../../shared/clock.ts'
import { type Address, compareAddresses, parseAddress } from '../../shared/net/address.ts'
import { Reconciler } from '../../shared/reconcile/reconciler.ts'

/** How long an answer is believed: name servers do not tell it through the system's resolver. */
const ANSWER_AGE_MAX_MS: Milliseconds = 60_000
/** A name that could not be resolved, or that does not lead to where it should, is tried again after this. */
const RETRY_MS: Milliseconds = 5_000

export type Lookup = (name: string) => Promise<readonly Address[]>

/** The system's resolver: all addresses of both families. */
export const systemLookup: Lookup = async (name) =>
  (await lookup(name, { all: true })).flatMap(({ address }) => parseAddress(address) ?? [])

export interface ResolverOptions {
  readonly clock: Clock
  readonly lookup: Lookup
  /** The addresses of some name changed. */
  readonly onChange: () => void
}

/**
 * Addresses of names, kept fresh in the background, so that a pass never waits for a name server. Old answers stand until new
 * ones come: what the mesh needs to come up must not depend on a name server that is out of reach.
 */
export class Resolver implements AsyncDisposable {
  readonly #options: ResolverOptions
  readonly #answers = new Map<string, readonly Address[]>()
  readonly #loop: Reconciler
  #wanted: readonly string[] = []
  #isPressing = false

  constructor(options: ResolverOptions) {
    this.#options = options
    this.#loop = new Reconciler(() => this.#lookUpAll(), {
      clock: options.clock,
      backoff: () => RETRY_MS,
      onFailure: () => {}, // whoever connects to the name says why it cannot
    })
  }

  /**
   * The addresses known by now, ascending. An address as a name is its own answer. While it is `isPressing`, old answers are
   * suspected to be wrong: somebody cannot connect.
   */
  addressesOf(names: readonly string[], isPressing = false): ReadonlyMap<string, readonly Address[]> {
    if (isPressing && !this.#isPressing && this.#wanted.length > 0) this.#loop.wake()
    this.#isPressing = isPressing
    const wanted = names.filter((name) => parseAddress(name) === undefined).sort()
    if (wanted.join(' ') !== this.#wanted.join(' ')) {
      this.#wanted = wanted
      for (const name of this.#answers.keys()) if (!wanted.includes(name)) this.#answers.delete(name)
      if (wanted.length > 0) this.#loop.wake()
    }
    return new Map(
      names.map((name) => {
        const literal = parseAddress(name)
        return [name, literal === undefined ? (this.#answers.get(name) ?? []) : [literal]]
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
  }

  async #lookUpAll(): Promise<{ again?: Milliseconds }> {
    const names = this.#wanted
    const results = await Promise.allSettled(names.map((name) => this.#options.lookup(name)))
    let isChanged = false
    for (const [index, result] of results.entries()) {
      const name = names[index]
      if (name === undefined || result.status === 'rejected' || result.value.length === 0) continue
      const addresses = result.value.toSorted(compareAddresses)
      isChanged ||= addresses.join(' ') !== this.#answers.get(name)?.join(' ')
      this.#answers.set(name, addresses)
    }
    if (isChanged) this.#options.onChange()
    if (names.length === 0) return {}
    const isDue = this.#isPressing || results.some(({ status }) => status === 'rejected')
    return { again: isDue ? RETRY_MS : ANSWER_AGE_MAX_MS }
  }
}
