import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { Host } from '../host/host.ts'
import type { Tool } from '../host/runner.ts'
import { DEAF } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'
import { type Concern, concernOf, type LinkEvent } from './ip-events.ts'

export interface HostMonitorOptions {
  readonly host: Host
  /** As it is when something happens: another one after a change of the configuration. */
  readonly placement: () => Placement
  /** Numbers of tables of others whose routes concern us. */
  readonly otherTables?: () => ReadonlySet<number>
  /** Whether what happens to a link that is not ours may matter; by default everything does. */
  readonly matters?: (event: LinkEvent) => boolean
  /** Something changed that is ours or that we announce; what it was is found out by looking. */
  readonly onChange: () => void
  /** Somebody has changed a table of nft that is not ours; called for every line that says so. */
  readonly onOthersChange?: () => void
  /** Our nft table is gone: said at once, and before `onChange`, which waits for it. */
  readonly onTableGone?: () => Promise<void>
  /** A monitor ended; it is started again after a pause. */
  readonly onFailure: (error: unknown) => void
}

/** Of a burst, the first event counts at once and all others together after this time. */
const GAP: Milliseconds = 250
/**
 * What others do to links of theirs may go on for ever, and each look costs tens of milliseconds: so many may follow each other, and
 * then one each few seconds. What is ours is looked at whatever this says.
 */
const OTHERS = { burst: 20, every: 3_000 } as const
/** A monitor that cannot run is no reason to be busy: every pass looks at everything anyway. */
const RESTART_AFTER: Milliseconds = 10_000

/** Listens to what others do to this host, until `signal` aborts. */
export async function watchHost(options: HostMonitorOptions, signal: AbortSignal): Promise<void> {
  using paced = new PacedWake(options.host.clock, options.onChange)
  await Promise.all([
    follow(options, paced, signal, 'ip', ['-N', 'monitor', 'label', 'link', 'address', 'route', 'rule']),
    follow(options, paced, signal, 'nft', ['monitor']),
  ])
}

async function follow(
  { host, placement, otherTables, matters, onOthersChange, onTableGone, onFailure }: HostMonitorOptions,
  paced: PacedWake,
  signal: AbortSignal,
  tool: Tool,
  args: readonly string[],
): Promise<void> {
  while (!signal.aborted) {
    try {
      using transaction = new Transaction(host, () => paced.wake('ours'))
      for await (const line of host.stream(tool, args, signal)) {
        if (tool === 'ip') {
          const concern = concernOf(line, placement(), { matters, otherTables: otherTables?.() })
          if (concern !== undefined) paced.wake(concern)
          continue
        }
        if (line === `delete table inet ${placement().nftTable}`) await onTableGone?.()
        if (isNftEventOfOurs(line, placement())) transaction.begin()
        else {
          if (isNftEventOfOthers(line, placement())) onOthersChange?.()
          transaction.end(line)
        }
      }
    } catch (error) {
      onFailure(error)
    }
    await pause(host.clock, RESTART_AFTER, signal)
    // Whatever happened meanwhile was not heard.
    if (signal.aborted) return
    paced.wake('ours')
    if (tool === 'nft') onOthersChange?.()
  }
}

/** Its last line follows at once; where it does not, whoever made it counts as somebody else. */
const TRANSACTION_LIMIT: Milliseconds = 50

/** Tells of what others changed, and not of what our own tools did: that was looked at when it was done. */
class Transaction implements Disposable {
  readonly #host: Pick<Host, 'clock' | 'hasStarted'>
  readonly #wake: () => void
  #alarm: Disposable | undefined

  constructor(host: Pick<Host, 'clock' | 'hasStarted'>, wake: () => void) {
    this.#host = host
    this.#wake = wake
  }

  begin(): void {
    this.#alarm ??= this.#host.clock.after(TRANSACTION_LIMIT, () => this.#tell())
  }

  /** Of a transaction that did not begin, and of every other line, nothing comes. */
  end(line: string): void {
    const author = /^# new generation \d+ by process (\d+)/.exec(line)?.[1]
    if (author === undefined || this.#alarm === undefined) return
    if (this.#host.hasStarted(Number(author))) this[Symbol.dispose]()
    else this.#tell()
  }

  #tell(): void {
    this[Symbol.dispose]()
    this.#wake()
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]()
    this.#alarm = undefined
  }
}

/** A line of `nft monitor`, as `add element inet TABLE SET { … }`. What comes and goes by design is no news. */
export function isNftEventOfOurs(line: string, { nftTable }: Placement): boolean {
  const [, table, name = ''] = /^(?:add|insert|replace|delete) \w+ inet (\S+)(?: (\S+))?/.exec(line) ?? []
  return table === nftTable && !TRANSIENT.has(name)
}

/** Chains and rules of others; elements come and go, and lead nothing anywhere. */
function isNftEventOfOthers(line: string, { nftTable }: Placement): boolean {
  const [, place] = /^(?:add|insert|replace|delete) (?:table|chain|rule) (\S+ \S+)/.exec(line) ?? []
  return place !== undefined && place !== `inet ${nftTable}`
}

const TRANSIENT: ReadonlySet<string> = new Set(Object.values(DEAF))

function pause(clock: Clock, length: Milliseconds, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done()
    const alarm = clock.after(length, done)
    signal.addEventListener(
      'abort',
      () => {
        alarm[Symbol.dispose]()
        done()
      },
      { once: true },
    )
  })
}

/** Wakes at once, but not again before `GAP` is over; what comes meanwhile is one wake then. */
class PacedWake implements Disposable {
  readonly #clock: Clock
  readonly #wake: () => void
  #wanted: Concern | undefined
  #gap: Disposable | undefined
  /** Until when what was spent on others is saved up again. */
  #spentUntil: Instant = -Infinity
  #saving: Disposable | undefined

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  wake(concern: Concern): void {
    if (this.#wanted !== 'ours') this.#wanted = concern
    if (this.#gap === undefined) this.#wakeOrSave()
  }

  #wakeOrSave(): void {
    const now = this.#clock.now()
    const patience = this.#spentUntil - (OTHERS.burst - 1) * OTHERS.every - now
    if (this.#wanted === 'others' && patience > 0) {
      this.#saving ??= this.#clock.after(patience, () => {
        this.#saving = undefined
        if (this.#gap === undefined && this.#wanted !== undefined) this.#wakeOrSave()
      })
      return
    }
    if (this.#wanted === 'others') this.#spentUntil = Math.max(this.#spentUntil, now) + OTHERS.every
    this.#wanted = undefined
    this.#gap = this.#clock.after(GAP, () => {
      this.#gap = undefined
      if (this.#wanted !== undefined) this.#wakeOrSave()
    })
    this.#wake()
  }

  [Symbol.dispose](): void {
    this.#gap?.[Symbol.dispose]()
    this.#saving?.[Symbol.dispose]()
  }
}
