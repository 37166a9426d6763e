import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Clock, Instant, Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { Settings } from '../../model/settings.ts'
import type { RetainedAffiliate } from '../../plan/members/retain.ts'
import { CACHE_AGE_MAX_MS, type CachedAffiliate } from '../../sources/affiliate-cache.ts'
import type { AffiliateStore } from '../mesh-host.ts'

/** Changes within this time are written together. */
const SAVE_EVERY: Milliseconds = 5_000
/** What is cached ages; so it is written again now and then although nothing changed. */
const RENEW_EVERY: Milliseconds = 3_600_000

/** What the cache should hold, and the settings that it was learned under. */
interface Kept {
  readonly settings: Settings
  readonly retained: readonly RetainedAffiliate[]
}

/** Reads the cache once, and writes it when it has to be: a full disk costs a warning and nothing else. */
export class CacheKeeper {
  readonly #store: AffiliateStore
  readonly #clock: Clock
  readonly #warn: (problem: string) => void
  #loadedFor: string | undefined
  #kept: Kept | undefined
  /** Of what was kept, what has had its turn at being written. */
  #flushed: Kept['retained'] | undefined
  readonly #text = new Last<string>()
  #saved = ''
  #savedAt: Instant = -Infinity
  #problem: string | undefined
  /** Node id → when a source last vouched for it: what is only kept grows old however often it is written. */
  #confirmedAt: ReadonlyMap<string, UnixMilliseconds> = new Map()
  #heldUntil: ReadonlyMap<string, Instant> = new Map()

  constructor(store: AffiliateStore, clock: Clock, warn: (problem: string) => void) {
    this.#store = store
    this.#clock = clock
    this.#warn = warn
  }

  /** What the cache holds, the first time that it is asked for a cluster; undefined after that. */
  async first(settings: Settings): Promise<readonly Affiliate[] | undefined> {
    const { cluster } = settings
    if (cluster === undefined || this.#loadedFor === cluster.id) return undefined
    this.#loadedFor = cluster.id
    const entries = await this.#store.load(settings)
    this.#confirmedAt = new Map(entries.map(({ affiliate, confirmedAt }) => [affiliate.nodeId, confirmedAt]))
    const age = this.#clock.wall() - this.#clock.now()
    this.#heldUntil = new Map(
      entries.map(({ affiliate, confirmedAt }) => [affiliate.nodeId, confirmedAt + CACHE_AGE_MAX_MS - age]),
    )
    return entries.map(({ affiliate }) => affiliate)
  }

  /** Until when what a node of the cache owned is held, if no source has vouched for it since: as long as the cache is good. */
  get heldUntil(): ReadonlyMap<string, Instant> {
    return this.#heldUntil
  }

  async keep(settings: Settings, retained: readonly RetainedAffiliate[]): Promise<void> {
    // An empty mesh is no news worth losing the last known one for.
    if (settings.cluster === undefined || retained.length === 0) return
    this.#dropVouchedFor(retained)
    this.#kept = { settings, retained }
    if (this.#clock.now() - this.#savedAt >= SAVE_EVERY) await this.flush()
  }

  /** How long what was kept may wait for the next `keep`; Infinity when all of it is written. */
  get patience(): Milliseconds {
    if (this.#kept === undefined || this.#kept.retained === this.#flushed) return Infinity
    return Math.max(0, this.#savedAt + SAVE_EVERY - this.#clock.now())
  }

  /** Writes what is kept and not written yet, at once. */
  async flush(): Promise<void> {
    if (this.#kept === undefined) return
    const { settings, retained } = this.#kept
    this.#flushed = retained
    const now = this.#clock.now()
    const affiliates = retained.map(({ affiliate }) => affiliate)
    const text = this.#text.of(affiliates, () => JSON.stringify(affiliates))
    if (text === this.#saved && now - this.#savedAt < RENEW_EVERY) return
    this.#savedAt = now
    try {
      await this.#store.save(settings, this.#entriesOf(retained))
      this.#saved = text
      this.#problem = undefined
    } catch (error) {
      const problem = `the cache of affiliates cannot be written: ${messageOf(error)}`
      if (problem !== this.#problem) this.#warn(problem)
      this.#problem = problem
    }
  }

  #dropVouchedFor(retained: readonly RetainedAffiliate[]): void {
    if (this.#heldUntil.size === 0) return
    const vouchedFor = new Set(
      retained.flatMap(({ affiliate, unconfirmedUntil }) =>
        unconfirmedUntil === undefined ? [affiliate.nodeId] : [],
      ),
    )
    this.#heldUntil = new Map([...this.#heldUntil].filter(([nodeId]) => !vouchedFor.has(nodeId)))
  }

  #entriesOf(retained: readonly RetainedAffiliate[]): readonly CachedAffiliate[] {
    const wall = this.#clock.wall()
    const entries = retained.map((entry) => ({
      affiliate: entry.affiliate,
      confirmedAt: isSure(entry) ? wall : (this.#confirmedAt.get(entry.affiliate.nodeId) ?? wall),
    }))
    this.#confirmedAt = new Map(entries.map(({ affiliate, confirmedAt }) => [affiliate.nodeId, confirmedAt]))
    return entries
  }
}

/** A source vouches for it, or its tunnel is live: whoever withholds records must not make it old. */
const isSure = ({ unconfirmedUntil, lostAt }: RetainedAffiliate): boolean =>
  unconfirmedUntil === undefined || (unconfirmedUntil === Number.POSITIVE_INFINITY && lostAt !== undefined)
