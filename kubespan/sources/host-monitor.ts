import type { Clock, Milliseconds } from '../../shared/clock.ts'
import type { Host } from '../host/host.ts'
import type { Tool } from '../host/runner.ts'
import { DEAF } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'

export interface HostMonitorOptions {
  readonly host: Host
  /** As it is when something happens: another one after a change of the configuration. */
  readonly placement: () => Placement
  /** Numbers of tables of others whose routes concern us. */
  readonly otherTables?: () => ReadonlySet<number>
  /** Something changed that is ours or that we announce; what it was is found out by looking. */
  readonly onChange: () => void
  /** Our nft table is gone: said at once, and before `onChange`, which waits for it. */
  readonly onTableGone?: () => Promise<void>
  /** A monitor ended; it is started again after a pause. */
  readonly onFailure: (error: unknown) => void
}

/** Of a burst, the first event counts at once and all others together after this time. */
const GAP: Milliseconds = 250
/** A monitor that cannot run is no reason to be busy: every pass looks at everything anyway. */
const RESTART_AFTER: Milliseconds = 10_000

/** Listens to what others do to this host, until `signal` aborts. */
export async function watchHost(options: HostMonitorOptions, signal: AbortSignal): Promise<void> {
  using paced = new PacedWake(options.host.clock, GAP, options.onChange)
  await Promise.all([
    follow(options, paced, signal, 'ip', ['-N', 'monitor', 'label', 'link', 'address', 'route', 'rule']),
    follow(options, paced, signal, 'nft', ['monitor']),
  ])
}

async function follow(
  { host, placement, otherTables, onTableGone, onFailure }: HostMonitorOptions,
  paced: PacedWake,
  signal: AbortSignal,
  tool: Tool,
  args: readonly string[],
): Promise<void> {
  const concerns = (line: string): boolean =>
    tool === 'ip' ? isIpEventOfOurs(line, placement(), otherTables?.()) : isNftEventOfOurs(line, placement())
  while (!signal.aborted) {
    try {
      using transaction = new Transaction(host, () => paced.wake())
      for await (const line of host.stream(tool, args, signal)) {
        if (line === `delete table inet ${placement().nftTable}`) await onTableGone?.()
        if (!concerns(line)) transaction.end(line)
        else if (tool === 'nft') transaction.begin()
        else paced.wake()
      }
    } catch (error) {
      onFailure(error)
    }
    await pause(host.clock, RESTART_AFTER, signal)
    // Whatever happened meanwhile was not heard.
    if (!signal.aborted) paced.wake()
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

/** A line of `ip monitor label`. On a router the routes of other tables may change thousands of times a second. */
export function isIpEventOfOurs(
  line: string,
  { routingTable }: Placement,
  others: ReadonlySet<number> = NONE,
): boolean {
  if (!line.startsWith('[ROUTE]')) return /^\[(LINK|ADDR|RULE)\]/.test(line)
  if (DEFAULT_OF_MAIN.test(line)) return true
  // Those of the main table are told of without its number.
  const table = Number(/\btable (\d+)\b/.exec(line)?.[1])
  return table === routingTable || others.has(table)
}
const NONE: ReadonlySet<number> = new Set()

/** With another gateway something else is local to this host. */
const DEFAULT_OF_MAIN = /^\[ROUTE\](?:Deleted )?default via (?!.*\btable \d)/

/** A line of `nft monitor`, as `add element inet TABLE SET { … }`. What comes and goes by design is no news. */
export function isNftEventOfOurs(line: string, { nftTable }: Placement): boolean {
  const [, table, name = ''] = /^(?:add|insert|replace|delete) \w+ inet (\S+)(?: (\S+))?/.exec(line) ?? []
  return table === nftTable && !TRANSIENT.has(name)
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

/** Wakes at once, but not again before `gap` is over; what comes meanwhile is one wake then. */
class PacedWake implements Disposable {
  readonly #clock: Clock
  readonly #gap: Milliseconds
  readonly #wake: () => void
  #alarm: Disposable | undefined
  #isWanted = false

  constructor(clock: Clock, gap: Milliseconds, wake: () => void) {
    this.#clock = clock
    this.#gap = gap
    this.#wake = wake
  }

  wake(): void {
    if (this.#alarm !== undefined) {
      this.#isWanted = true
      return
    }
    this.#isWanted = false
    this.#alarm = this.#clock.after(this.#gap, () => {
      this.#alarm = undefined
      if (this.#isWanted) this.wake()
    })
    this.#wake()
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]()
  }
}
