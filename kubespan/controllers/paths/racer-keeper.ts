import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import type { RaceSockets } from '../../host/race-sockets.ts'
import type { RacingSettings } from '../../model/settings.ts'
import { RACES } from '../../plan/paths/plan-races.ts'
import type { MeshLog } from '../announce.ts'
import { Racer } from './racer.ts'

export interface RacerKeeperOptions {
  readonly clock: Clock
  readonly log: Pick<MeshLog, 'warn'>
  /** @throws when the port cannot be used */
  readonly open: (port: number, listenPort: number) => Promise<RaceSockets>
  /** Leaves no peer on a relay of this racer. */
  readonly release: (racer: Racer) => Promise<void>
}

/** A port that somebody else has may be free again one day. */
const OPEN_AGAIN_AFTER: Milliseconds = 60_000

/** Has a racer as the settings want it: none where racing is off or its port is taken, a new one when they change. */
export class RacerKeeper implements AsyncDisposable {
  readonly #options: RacerKeeperOptions
  #settings = ''
  #racer: Racer | undefined
  #openAgainAt: Instant = -Infinity

  constructor(options: RacerKeeperOptions) {
    this.#options = options
  }

  async of(racing: RacingSettings, listenPort: number): Promise<Racer | undefined> {
    const { clock, log, open } = this.#options
    const text = JSON.stringify([racing, listenPort])
    if (text !== this.#settings) {
      await this.#end()
      this.#settings = text
      this.#openAgainAt = -Infinity
    }
    if (!racing.enabled || this.#racer !== undefined || clock.now() < this.#openAgainAt) return this.#racer
    const { port, headStart, concurrentRaces, packetsPerSecond } = racing
    try {
      this.#racer = new Racer({
        clock,
        sockets: await open(port, listenPort),
        settings: {
          ...RACES,
          headStart,
          concurrentRaces,
          budget: { ...RACES.budget, packetsPerSecond, burst: packetsPerSecond },
        },
      })
    } catch (error) {
      if (this.#openAgainAt === -Infinity)
        log.warn({ port, err: String(error) }, 'no racing: its port cannot be used')
      this.#openAgainAt = clock.now() + OPEN_AGAIN_AFTER
    }
    return this.#racer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #end(): Promise<void> {
    const racer = this.#racer
    this.#racer = undefined
    if (racer === undefined) return
    await this.#options
      .release(racer)
      .catch((error) => this.#options.log.warn({ err: String(error) }, 'races not ended in order'))
    await racer[Symbol.asyncDispose]()
  }
}
