import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { printable } from '../../../shared/printable.ts'
import type { DiscoveryClientOptions } from './client-options.ts'
import type { OwnSeals } from './own-seals.ts'
import {
  type AffiliateTable,
  applyWatchMessages,
  EMPTY_TABLE,
  type OwnSaid,
  type TableProblem,
  type WatchMessage,
} from './table.ts'

/** So many are told in the life of a client. */
const REPORTS_MAX = 1000

/** What a batch of messages came to. */
export interface Reading {
  readonly isChanged: boolean
  readonly own: OwnSaid | undefined
  readonly foreign: Affiliate | undefined
}

/** Keeps what one service tells of others. */
export class TableReader {
  readonly #options: DiscoveryClientOptions
  readonly #seals: OwnSeals
  readonly #reported = new Set<string>()
  #table: AffiliateTable = EMPTY_TABLE

  constructor(options: DiscoveryClientOptions, seals: OwnSeals) {
    this.#options = options
    this.#seals = seals
  }

  get table(): AffiliateTable {
    return this.#table
  }

  /** Several messages are as good as one, and cost less. */
  read(messages: readonly WatchMessage[], isSnapshot: boolean): Reading {
    const { ownId, key, ttl, clock } = this.#options
    const { table, problems, ...reading } = applyWatchMessages(this.#table, messages, isSnapshot, {
      ...{ ownId, key, ttl, now: clock.now(), wall: clock.wall() },
      isOwnSeal: (stamp) => this.#seals.has(stamp),
      ownSealedAt: this.#seals.sealedAt,
    })
    this.#table = table
    for (const problem of problems) this.#tell(problem)
    return reading
  }

  #tell({ id, what }: TableProblem): void {
    const once = `${id} ${what}`
    if (this.#reported.size >= REPORTS_MAX || this.#reported.has(once)) return
    this.#reported.add(once)
    const { log, name } = this.#options
    log.warn({ service: name, affiliate: printable(id), problem: what }, 'part of an affiliate passed over')
  }
}
