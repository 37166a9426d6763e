import type { Clock, Milliseconds } from '../../shared/clock.ts'
import type { PeerStatus, PublicKey } from '../model/peer.ts'
import type { Settings } from '../model/settings.ts'
import { judgePeers } from '../plan/peer-step.ts'
import type { Rotation } from '../plan/quick-rotation.ts'
import type { MeshHost } from './mesh-host.ts'
import { PathKeeper } from './path-keeper.ts'
import { PeerWatch } from './peer-watch.ts'
import type { Racer } from './racer.ts'
import { type StepInput, type StepOutcome, stepByRaces, stepByRotation, stepByTurns } from './step.ts'

export interface PathsOptions {
  readonly clock: Clock
  readonly host: Pick<MeshHost, 'echo' | 'paths' | 'setEndpoints'>
  readonly warn: (problem: string) => void
  /** Undefined where races cannot run, or are not wanted. */
  readonly racer: (settings: Settings) => Promise<Racer | undefined>
}

export interface PathsOutcome extends StepOutcome {
  /** The source port of race copies; undefined when nobody is raced. */
  readonly racePort: number | undefined
}

/** Finds and keeps a path to every peer, in the way that the settings ask for and this host allows. */
export class Paths {
  readonly #options: PathsOptions
  readonly #watch: PeerWatch
  readonly #keeper: PathKeeper
  #rotations: ReadonlyMap<PublicKey, Rotation> = new Map()

  constructor(options: PathsOptions) {
    this.#options = options
    const { host, clock, warn } = options
    this.#watch = new PeerWatch((addresses) => host.echo(addresses), clock)
    this.#keeper = new PathKeeper(host.paths, clock, warn)
  }

  async step(input: StepInput): Promise<PathsOutcome> {
    const { specs, memory, view, settings, links, now } = input
    const racer = await this.#options.racer(settings)
    if (!settings.racing.enabled) return { ...stepByTurns(input), racePort: undefined }

    const judged = judgePeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
    const { linkName } = settings.placement
    const { suspects, again, hasMoved } = this.#watch.look({ specs, statuses: judged, links, linkName, now })
    if (hasMoved) await this.#renewEndpoints(settings, judged)
    const lastWorked = await this.#keeper.lastWorked(settings, links)
    await this.#keeper.keep(settings, links, judged)
    const pathInput = { ...input, judged, suspects, lastWorked }
    if (racer !== undefined) {
      const step = await stepByRaces(pathInput, racer)
      return { ...step, again: sooner(step.again, again), racePort: settings.racing.port }
    }
    const { rotations, ...step } = stepByRotation(pathInput, this.#rotations)
    this.#rotations = rotations
    return { ...step, again: sooner(step.again, again), racePort: undefined }
  }

  /** WireGuard sends from the address that it used last, even when that is gone, until its endpoint is written anew. */
  async #renewEndpoints({ placement }: Settings, judged: ReadonlyMap<PublicKey, PeerStatus>): Promise<void> {
    const endpoints = new Map(
      [...judged].flatMap(([key, { state, endpoint }]) =>
        state === 'up' && endpoint !== undefined ? [[key, endpoint]] : [],
      ),
    )
    if (endpoints.size > 0) await this.#options.host.setEndpoints(placement, endpoints)
  }
}

const sooner = (one: Milliseconds | undefined, other: Milliseconds | undefined): Milliseconds | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
