import type { Redis } from 'ioredis'
import type { Clock, Milliseconds, UnixMilliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import { EPOCH_KEY, HOLD_MAX } from './layout.ts'
import { RemoteTime } from './remote-time.ts'
import { SCRIPTS, type Script } from './scripts.ts'

/** After a server came back, or another took its place, those who hold clusters have so long to put back what it lost. */
export const SETTLE_TIME: Milliseconds = 2_000
const HEARTBEAT: Milliseconds = 1_000

/** Redis cannot be reached, did not answer in time, or refused. */
export class RedisFailure extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause })
  }
}

export interface LinkOptions {
  /** A connection that keeps trying; answers nothing while it is not there, and gives up commands that take too long. */
  readonly connect: () => Redis
  readonly clock: Clock
  readonly settleTime: Milliseconds
  /** A change was told on a channel. */
  readonly onMessage: (channel: string, message: Buffer) => void
  /** Both connections are there again. Whatever was told meanwhile was missed. */
  readonly onUp: () => Promise<void>
  readonly onDown: (reason: string) => void
  /** It would throw away what it should keep, were it short of memory. */
  readonly onEvicting: (policy: string) => void
  /** An attempt to reach it failed. */
  readonly onUnreachable: (reason: string) => void
}

/** The answer of a script: every one begins with the time of Redis. */
export type ScriptAnswer = readonly [time: UnixMilliseconds, ...rest: unknown[]]

/**
 * The two connections to Redis, for commands and for what is told, which are there together or not at all. While they are
 * not, nothing waits: whatever is asked fails at once.
 */
export class Link implements AsyncDisposable {
  readonly #options: LinkOptions
  readonly #commands: Redis
  readonly #channels: Redis
  readonly #time = new RemoteTime()
  #isUp = false
  #isClosed = false
  #isOpening = false
  #heartbeat: Disposable | undefined
  #serverRun = ''
  #settling = Promise.withResolvers<void>()
  #settleAlarm: Disposable | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#commands = this.#connect()
    this.#channels = this.#connect()
    this.#channels.on('messageBuffer', (channel: Buffer, message: Buffer) =>
      options.onMessage(channel.toString('latin1'), message),
    )
  }

  /** Whether Redis answers, as far as is known. */
  get isUp(): boolean {
    return this.#isUp
  }

  /** Which run of which server answers: another one may not know all that was answered before. */
  get serverRun(): string {
    return this.#serverRun
  }

  /** The time of Redis; of this machine before Redis has ever answered. */
  now(): UnixMilliseconds {
    const { clock } = this.#options
    return this.#time.at(clock.now()) ?? clock.wall()
  }

  /** Until clusters may be read that nobody here holds. @throws RedisFailure when Redis is lost before */
  settled(): Promise<void> {
    return this.#settling.promise
  }

  /** @throws RedisFailure */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<ScriptAnswer> {
    const rest = [keys.length, ...keys, ...args]
    const answer = await this.#asked(
      this.#commands
        .callBuffer('EVALSHA', script.sha, ...rest)
        .catch((error: unknown) =>
          isNoScript(error)
            ? this.#commands.callBuffer('EVAL', script.source, ...rest)
            : Promise.reject(error),
        ),
    )
    const [time] = answer as [number]
    this.#time.sample(time, this.#options.clock.now())
    return answer as unknown as ScriptAnswer
  }

  /** A command that is no script. @throws RedisFailure */
  async ask(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return await this.#asked(this.#commands.callBuffer(command, ...args))
  }

  /** @throws RedisFailure */
  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#asked(this.#channels.subscribe(...channels))
  }

  /** @throws RedisFailure */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#asked(this.#channels.unsubscribe(...channels))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#down('it was closed')
    this.#isClosed = true
    this.#commands.disconnect()
    this.#channels.disconnect()
  }

  #connect(): Redis {
    const connection = this.#options.connect()
    connection.on('error', (error: unknown) => {
      this.#down(messageOf(error))
      if (!this.#isClosed) this.#options.onUnreachable(messageOf(error))
    })
    connection.on('close', () => this.#down('the connection was closed'))
    connection.on('ready', () => void this.#open())
    return connection
  }

  get #hasBoth(): boolean {
    return this.#commands.status === 'ready' && this.#channels.status === 'ready'
  }

  async #open(): Promise<void> {
    if (this.#isClosed || this.#isUp || this.#isOpening || !this.#hasBoth) return
    this.#isOpening = true
    try {
      this.#time.forget()
      const info = String(await this.ask('INFO'))
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? KEEPS_ALL
      if (policy !== KEEPS_ALL) this.#options.onEvicting(policy)
      const run = /^run_id:(\S+)/m.exec(info)?.[1] ?? ''
      const [, since] = await this.run(SCRIPTS.epoch, [EPOCH_KEY], [run, `${HOLD_MAX}`])
      if (!this.#hasBoth) throw new RedisFailure('a connection was closed')
      this.#serverRun = run
      this.#isUp = true
      this.#settle((since as UnixMilliseconds) + this.#options.settleTime - this.now())
      this.#beat()
      await this.#options.onUp()
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error
      this.#drop(error.message)
      return
    } finally {
      this.#isOpening = false
    }
    if (!this.#isUp) await this.#open() // they may have gone and come back meanwhile
  }

  #settle(left: Milliseconds): void {
    const settling = Promise.withResolvers<void>()
    settling.promise.catch(() => {}) // maybe nobody waits
    this.#settling = settling
    if (left > 0) this.#settleAlarm = this.#options.clock.after(left, settling.resolve)
    else settling.resolve()
  }

  /** A server that hangs keeps its connections; so it is asked now and then. */
  #beat(): void {
    this.#heartbeat?.[Symbol.dispose]()
    this.#heartbeat = this.#options.clock.after(HEARTBEAT, () => {
      Promise.all([this.#commands.ping(), this.#channels.ping()]).then(
        () => {
          if (this.#isUp) this.#beat()
        },
        (error: unknown) => this.#drop(messageOf(error)),
      )
    })
  }

  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (isWrongServer(error)) this.#drop(messageOf(error))
      throw new RedisFailure(error)
    }
  }

  /** Begins anew with both connections. */
  #drop(reason: string): void {
    if (this.#isClosed) return
    this.#down(reason)
    this.#commands.disconnect(true)
    this.#channels.disconnect(true)
  }

  #down(reason: string): void {
    if (this.#isClosed || !this.#isUp) return
    this.#isUp = false
    this.#heartbeat?.[Symbol.dispose]()
    this.#settleAlarm?.[Symbol.dispose]()
    this.#settling.reject(new RedisFailure(reason))
    this.#options.onDown(reason)
  }
}

const KEEPS_ALL = 'noeviction'

const isNoScript = (error: unknown): boolean => messageOf(error).startsWith('NOSCRIPT')

/** What a server says that is not the one to ask: it follows another now, or is not ready yet. */
const isWrongServer = (error: unknown): boolean => /^(READONLY|LOADING|MASTERDOWN)/.test(messageOf(error))
