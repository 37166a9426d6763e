import type { Clock, Milliseconds } from '../../shared/clock.ts'
import { Reconciler } from '../../shared/reconcile/reconciler.ts'
import type { Runner } from './runner.ts'

/** What systemd hands to a service of Type=notify (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined
  readonly WATCHDOG_USEC?: string | undefined
  readonly WATCHDOG_PID?: string | undefined
}

export interface ServiceManagerOptions {
  readonly runner: Pick<Runner, 'run'>
  readonly clock: Clock
  readonly environment: ServiceEnvironment
  readonly pid: number
  /** The watchdog is fed for as long as this is true. */
  readonly isAlive: () => boolean
  /** One line for `systemctl status`. */
  readonly status: () => string
  readonly onFailure: (error: unknown) => void
}

/** In the interval of the watchdog: one that is lost must not end us. */
const FEEDINGS = 3
/** Where nobody set a watchdog, the status is told now and then. */
const STATUS_EVERY: Milliseconds = 60_000
/** Peers come up in a burst: one line is told of it. */
const STATUS_SETTLES: Milliseconds = 2_000

/**
 * Older versions of systemd drop a message whose sender has ended before they look who it was. Waited for READY=1, they would end us
 * after a minute and a half; so it is said again with each sign of life, which changes nothing for those who heard it.
 */
const ALIVE = ['READY=1', 'WATCHDOG=1']

/**
 * Tells systemd that the daemon is ready and alive. By `systemd-notify`, because Node has no datagram sockets of the
 * unix kind; so the unit needs NotifyAccess=all. Without a NOTIFY_SOCKET all of it does nothing.
 */
export class ServiceManager implements AsyncDisposable {
  readonly #options: ServiceManagerOptions
  readonly #loop: Reconciler
  #hasFailed = false
  #isReady = false
  #toldStatus = ''
  #settling: Disposable | undefined

  constructor(options: ServiceManagerOptions) {
    this.#options = options
    const every = watchdogOf(options.environment, options.pid)
    this.#loop = new Reconciler(
      async () => {
        this.#toldStatus = options.status()
        await this.#tell(...(options.isAlive() ? ALIVE : []), `STATUS=${oneLine(this.#toldStatus)}`)
        return { again: every === undefined ? STATUS_EVERY : every / FEEDINGS }
      },
      { clock: options.clock, backoff: () => STATUS_EVERY, onFailure: options.onFailure },
    )
  }

  get isListening(): boolean {
    return Boolean(this.#options.environment.NOTIFY_SOCKET)
  }

  /** From now on the watchdog is fed. */
  async ready(): Promise<void> {
    await this.#tell('READY=1')
    this.#isReady = true
    if (this.isListening) this.#loop.wake()
  }

  /** Something may have changed: soon the status is looked at, and told if it is another one. */
  mayHaveChanged(): void {
    if (!this.isListening || !this.#isReady) return
    this.#settling ??= this.#options.clock.after(STATUS_SETTLES, () => {
      this.#settling = undefined
      if (this.#options.status() !== this.#toldStatus) this.#loop.wake()
    })
  }

  /** After that nothing else is said. */
  async stopping(): Promise<void> {
    this.#settling?.[Symbol.dispose]()
    await this.#loop[Symbol.asyncDispose]()
    await this.#tell('STOPPING=1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#settling?.[Symbol.dispose]()
    await this.#loop[Symbol.asyncDispose]()
  }

  /** That nobody listens is said once, and is no reason to stop anything. */
  async #tell(...words: readonly string[]): Promise<void> {
    if (!this.isListening) return
    try {
      await this.#options.runner.run('systemd-notify', words)
    } catch (error) {
      if (!this.#hasFailed) this.#options.onFailure(error)
      this.#hasFailed = true
    }
  }
}

/** The interval within which systemd wants to hear of us; undefined when it does not, or not from this process. */
function watchdogOf(
  { WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment,
  pid: number,
): Milliseconds | undefined {
  const microseconds = Number(WATCHDOG_USEC ?? 0)
  if (!(microseconds > 0)) return undefined
  return WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid ? microseconds / 1000 : undefined
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
