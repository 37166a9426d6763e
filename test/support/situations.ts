import assert from 'node:assert/strict'

/**
 * What random runs must have come across, all seeds taken together. A run whose generator, or whose subject, has stopped producing
 * one of these proves less than it seems to; `assertReached` makes it fail.
 */
export class Situations<Name extends string> {
  readonly #counts: Map<Name, number>

  constructor(names: readonly Name[]) {
    this.#counts = new Map(names.map((name) => [name, 0]))
  }

  reach(name: Name, isSo = true): void {
    if (isSo) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** The listed ones that did not come up. */
  get missed(): readonly Name[] {
    return [...this.#counts].filter(([, count]) => count === 0).map(([name]) => name)
  }

  /** @throws when a listed one was never reached; the message says how often each was. */
  assertReached(): void {
    const counts = Array.from(this.#counts, ([name, count]) => `${count} × ${name}`).join('\n')
    assert.deepEqual(this.missed, [], `never reached in this run, of these situations:\n${counts}`)
  }
}
