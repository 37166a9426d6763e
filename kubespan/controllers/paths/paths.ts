import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import type { Address, AddressPort } from '../../../shared/net/address.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import { isRelay } from '../../plan/paths/peer-look.ts'
import { judgePeers } from '../../plan/paths/peer-step.ts'
import type { Rotation } from '../../plan/paths/quick-rotation.ts'
import type { MeshHost } from '../mesh-host.ts'
import { Echoes } from './echoes.ts'
import { PathKeeper } from './path-keeper.ts'
import { PeerWatch } from './peer-watch.ts'
import type { Racer } from './racer.ts'
import { Rankings } from './rankings.ts'
import {
  type PathInput,
  type StepInput,
  type StepOutcome,
  stepByRaces,
  stepByRotation,
  stepByTurns,
} from './step.ts'
import { Upgrades } from './upgrades.ts'

type Statuses = ReadonlyMap<PublicKey, PeerStatus>
type Endpoints = ReadonlyMap<PublicKey, AddressPort>

export interface PathsOptions {
  readonly clock: Clock
  readonly host: Pick<MeshHost, 'echo' | 'deafen' | 'paths' | 'setEndpoints'>
  readonly warn: (problem: string) => void
  /** Undefined where races cannot run, or are not wanted. */
  readonly racer: (settings: Settings) => Promise<Racer | undefined>
}

export interface PathsOutcome extends StepOutcome {
  /** The source port of race copies; undefined when nobody is raced. */
  readonly racePort: number | undefined
  /** Whose path has just been found dead. */
  readonly suspects: ReadonlySet<PublicKey>
}

/** Finds and keeps a path to every peer, in the way that the settings ask for and this host allows. */
export class Paths {
  readonly #options: PathsOptions
  readonly #echoes: Echoes
  readonly #watch: PeerWatch
  readonly #keeper: PathKeeper
  readonly #rankings = new Rankings()
  readonly #upgrades: Upgrades
  #rotations: ReadonlyMap<PublicKey, Rotation> = new Map()
  #racer: Racer | undefined
  #ordered: StepOutcome | undefined

  constructor(options: PathsOptions) {
    this.#options = options
    const { host, clock, warn } = options
    this.#echoes = new Echoes((addresses) => host.echo(addresses), clock)
    this.#watch = new PeerWatch(this.#echoes, clock)
    this.#keeper = new PathKeeper(host.paths, clock, warn)
    this.#upgrades = new Upgrades({
      deafen: (placement, sources) => host.deafen(placement, sources),
      setEndpoints: (placement, endpoints) => host.setEndpoints(placement, endpoints),
      pull: (addresses) => void this.#pull(addresses),
      warn,
    })
  }

  /** Writes what was learned and is not written yet. */
  async flush(): Promise<void> {
    await this.#keeper.flush()
  }

  async step(input: StepInput): Promise<PathsOutcome> {
    const { specs, memory, view, settings, links, identity, challenged, now } = input
    const racer = await this.#options.racer(settings)
    this.#racer = racer
    if (!settings.racing.enabled) {
      await this.#upgrades.end(settings.placement)
      const step = stepByTurns(input)
      const statuses = withLearned(step.statuses, specs, () => NOTHING)
      return { ...step, statuses, racePort: undefined, suspects: new Set() }
    }

    const judged = judgePeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
    const settled = placed(judged, this.#upgrades.from)
    const { linkName } = settings.placement
    const { suspects, unsure, again, hasMoved } = this.#watch.look({
      specs,
      statuses: settled,
      links,
      linkName,
      challenged,
      now,
    })
    if (hasMoved) await this.#renewEndpoints(settings, judged)
    const lastWorked = await this.#keeper.lastWorked(settings, links)
    await this.#keeper.keep(settings, links, settled)
    const rank = this.#rankings.on({ links, meshSubnet: identity.subnet, lastWorked, ...settings })

    const step = await this.#find({ ...input, judged, suspects, rank }, racer)
    const racing = racer?.onRelay ?? new Map()
    const upgrades = await this.#upgrades.look({
      specs,
      statuses: judged,
      rank,
      answered: (address) => this.#echoes.latest(address),
      moodOf: (key) => (suspects.has(key) || racing.has(key) ? 'busy' : unsure.has(key) ? 'unsure' : 'calm'),
      placement: settings.placement,
      now,
    })
    const statuses = withLearned(placed(step.statuses, upgrades.at), specs, ({ publicKey, address }) => ({
      roundTrip: this.#echoes.latest(address)?.roundTrip,
      lastWorked: lastWorked.get(publicKey),
    }))
    const outcome = { ...step, statuses, again: sooner(sooner(step.again, again), upgrades.again) }
    this.#ordered = outcome
    return { ...outcome, racePort: racer && settings.racing.port, suspects }
  }

  /** For peers that are not up, or whose path seems dead. */
  async #find(input: PathInput, racer: Racer | undefined): Promise<StepOutcome> {
    const undone = this.#undone(input)
    if (racer !== undefined) {
      racer.beginAnew(undone?.endpoints.keys() ?? [])
      const step = await stepByRaces(input, racer)
      return undone === undefined
        ? step
        : { ...step, endpoints: new Map([...undone.given, ...step.endpoints]) }
    }
    if (undone !== undefined) this.#rotations = new Map()
    const { rotations, ...step } = stepByRotation(input, this.#rotations)
    this.#rotations = rotations
    return step
  }

  /**
   * What the last look ordered, if it was not done: a pass that fails on the way remembers nothing, so it comes back with
   * other memory than what we answered.
   */
  #undone({
    memory,
    view,
  }: PathInput): { readonly endpoints: Endpoints; readonly given: Endpoints } | undefined {
    const ordered = this.#ordered
    if (ordered === undefined || ordered.statuses === memory) return undefined
    const { endpoints } = ordered
    // In place of a relay that is closed by now.
    const given = [...endpoints].filter(
      ([key, endpoint]) => !isRelay(endpoint) && isRelay(view?.peers.get(key)?.endpoint),
    )
    return { endpoints, given: new Map(given) }
  }

  async #pull(addresses: readonly Address[]): Promise<void> {
    if ((await this.#echoes.ask(addresses)) !== undefined) return
    for (const address of addresses) this.#racer?.knock(address)
  }

  /** WireGuard sends from the address that it used last, even when that is gone, until its endpoint is written anew. */
  async #renewEndpoints({ placement }: Settings, judged: Statuses): Promise<void> {
    const endpoints = new Map(
      [...judged].flatMap(([key, { state, endpoint }]) =>
        state === 'up' && endpoint !== undefined ? [[key, endpoint]] : [],
      ),
    )
    if (endpoints.size > 0) await this.#options.host.setEndpoints(placement, endpoints)
  }
}

/** With these endpoints instead of those that were seen. */
function placed(statuses: Statuses, at: Endpoints): Statuses {
  if (at.size === 0) return statuses
  const all = new Map(statuses)
  for (const [key, endpoint] of at) {
    const status = all.get(key)
    if (status !== undefined) all.set(key, { ...status, endpoint, lastUsedEndpoint: endpoint })
  }
  return all
}

type Learned = Pick<PeerStatus, 'roundTrip' | 'lastWorked'>
const NOTHING: Learned = { roundTrip: undefined, lastWorked: undefined }

/** With what is known of the paths apart from WireGuard; whose status says so already keeps it as it is. */
function withLearned(
  statuses: Statuses,
  specs: readonly PeerSpec[],
  learnedOf: (spec: PeerSpec) => Learned,
): Statuses {
  const news = new Map<PublicKey, PeerStatus>()
  for (const spec of specs) {
    const status = statuses.get(spec.publicKey)
    const { roundTrip, lastWorked } = learnedOf(spec)
    if (status !== undefined && (status.roundTrip !== roundTrip || status.lastWorked !== lastWorked))
      news.set(spec.publicKey, { ...status, roundTrip, lastWorked })
  }
  return news.size === 0 ? statuses : new Map([...statuses, ...news])
}

const sooner = (one: Milliseconds | undefined, other: Milliseconds | undefined): Milliseconds | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
