import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { type Address, type AddressPort, hostPrefix } from '../../../shared/net/address.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../../model/peer.ts'
import {
  beginVigil,
  judgeVigil,
  type Move,
  noteEcho,
  recheck,
  SUSPICION,
  type SuspicionSettings,
  sample,
  sampleAfter,
  type Verdict,
  type Vigil,
} from '../../plan/paths/suspicion.ts'
import { ownAddresses } from '../../plan/self/own-addresses.ts'
import type { Echoes } from './echoes.ts'

export interface WatchInput {
  readonly specs: readonly PeerSpec[]
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly links: readonly ObservedLink[]
  /** Our own, whose addresses say nothing about the networks that we are on. */
  readonly linkName: string
  /** To be asked whether they are still there. */
  readonly challenged?: ReadonlySet<PublicKey> | undefined
  readonly now: Instant
}

export interface Watched {
  readonly suspects: ReadonlySet<PublicKey>
  /** Suspects, and those who may become such. */
  readonly unsure: ReadonlySet<PublicKey>
  /** Our own addresses have changed since the last look. */
  readonly hasMoved: boolean
  /** When to look again; undefined when nobody is up. */
  readonly again: Milliseconds | undefined
}

/** Packets get lost, and a peer may be up here before it is so there. */
const INTRODUCTIONS = 3
/** After a change of the network every look counts. */
const RECHECK_LOOK_EVERY: Milliseconds = 500
/**
 * So many others are asked when a path seems dead. If our NAT has given us another port, they hear it, and whoever harvests publishes
 * it; in a large mesh somebody hears it anyway, by one keepalive or another.
 */
const WITNESSES = 8
/** Silence means nothing where nobody is asked. */
const WITHOUT_ECHO: SuspicionSettings = { ...SUSPICION, askAfter: Number.POSITIVE_INFINITY }

/** Watches the counters of peers that are up, asks those in doubt by echo, and says whose path seems dead. */
export class PeerWatch {
  readonly #echoes: Echoes
  readonly #clock: Clock
  readonly #vigils = new Map<PublicKey, Vigil>()
  /** Known to answer echoes, up or not. */
  readonly #answering = new Set<PublicKey>()
  /** How often each was asked on this path without being in doubt, so that a later silence means something. */
  readonly #introduced = new Map<PublicKey, number>()
  readonly #paths = new Map<PublicKey, AddressPort | undefined>()
  readonly #heard: { readonly publicKey: PublicKey; readonly isAnswered: boolean; readonly at: Instant }[] =
    []
  #specs: readonly PeerSpec[] = []
  /** Mesh addresses that several say are theirs. */
  #shared: ReadonlySet<Address> = new Set()
  /** Whom to ask with the next sweep, and whom to take next time. */
  #witnesses: readonly PeerSpec[] = []
  #witnessesSoFar = 0
  #network: string | undefined
  #isAsking = false

  constructor(echoes: Echoes, clock: Clock) {
    this.#echoes = echoes
    this.#clock = clock
  }

  look({ specs, statuses, links, linkName, challenged, now }: WatchInput): Watched {
    const moved = this.#followSpecs(specs, statuses)
    this.#takeEchoes()
    const network = ownAddresses(links, linkName)
    const hasMoved = this.#network !== undefined && this.#network !== network
    this.#network = network

    const { canAsk } = this.#echoes
    const settings = canAsk ? SUSPICION : WITHOUT_ECHO
    const inDoubt = new Map<PublicKey, Verdict>()
    const toAsk: PeerSpec[] = []
    let isRechecking = false
    for (const spec of specs) {
      const key = spec.publicKey
      const status = statuses.get(key)
      const isUp = status?.state === 'up'
      this.#followPath(spec, isUp ? status.endpoint : undefined)
      if (!isUp) {
        this.#vigils.delete(key)
        continue
      }
      const move = hasMoved ? 'we moved' : moved.has(key) || challenged?.has(key) ? 'it moved' : undefined
      const vigil = this.#sample(key, status, canAsk ? move : undefined, now, settings)
      const verdict = judgeVigil(vigil, now, settings)
      if (verdict !== 'calm') inDoubt.set(key, verdict)
      if (verdict === 'doubtful' || this.#isStranger(key)) toAsk.push(spec)
      // Who drops echoes has longer to answer, and may move as often as it likes.
      if (vigil.recheck !== undefined && (vigil.recheck.because === 'we moved' || vigil.answersEcho))
        isRechecking = true
    }
    const suspects = new Set([...inDoubt].flatMap(([key, verdict]) => (verdict === 'suspect' ? [key] : [])))
    if (suspects.size > 0)
      this.#callWitnesses(specs.filter(({ publicKey: key }) => this.#vigils.has(key) && !inDoubt.has(key)))
    this.#ask(toAsk)
    return {
      hasMoved,
      suspects,
      unsure: new Set(inDoubt.keys()),
      again: this.#again(isRechecking, inDoubt.size > 0),
    }
  }

  #again(isRechecking: boolean, isInDoubt: boolean): Milliseconds | undefined {
    if (isRechecking) return RECHECK_LOOK_EVERY
    return this.#vigils.size === 0 ? undefined : sampleAfter(isInDoubt ? 'doubtful' : 'calm', SUSPICION)
  }

  #sample(
    key: PublicKey,
    status: PeerStatus,
    move: Move | undefined,
    now: Instant,
    settings: SuspicionSettings,
  ): Vigil {
    const before = this.#vigils.get(key) ?? beginVigil(status, now, this.#answering.has(key))
    // What arrived before a move says nothing of what will.
    const isWanted = move !== undefined || isDue(before, now, settings)
    const sampled = isWanted ? sample(before, status, now, settings) : before
    const vigil = move === undefined ? sampled : recheck(sampled, move, now)
    this.#vigils.set(key, vigil)
    return vigil
  }

  /** Nothing is known of how long a path takes that a peer has just taken to. */
  #followPath({ publicKey: key, address }: PeerSpec, endpoint: AddressPort | undefined): void {
    if (this.#paths.get(key) === endpoint) return
    this.#paths.set(key, endpoint)
    this.#introduced.delete(key)
    this.#echoes.forget(address)
  }

  /** Returns whose endpoints are no longer what they were. */
  #followSpecs(specs: readonly PeerSpec[], statuses: WatchInput['statuses']): ReadonlySet<PublicKey> {
    const moved = new Set<PublicKey>()
    if (specs === this.#specs) return moved
    const before = new Map(this.#specs.map(({ publicKey, endpoints }) => [publicKey, endpoints]))
    for (const { publicKey: key, endpoints } of specs)
      if (!sameMembers(before.get(key) ?? endpoints, endpoints)) moved.add(key)
    this.#specs = specs
    this.#shared = repeated(specs.map(({ address }) => address))
    for (const known of [this.#vigils, this.#answering, this.#introduced, this.#paths])
      for (const key of known.keys()) if (!statuses.has(key)) known.delete(key)
    return moved
  }

  #isStranger(key: PublicKey): boolean {
    const asked = this.#introduced.get(key) ?? 0
    return this.#vigils.has(key) && asked < (this.#answering.has(key) ? 1 : INTRODUCTIONS)
  }

  /** Others each time. */
  #callWitnesses(calm: readonly PeerSpec[]): void {
    const start = calm.length === 0 ? 0 : this.#witnessesSoFar % calm.length
    this.#witnesses = [...calm.slice(start), ...calm.slice(0, start)].slice(0, WITNESSES)
    this.#witnessesSoFar += this.#witnesses.length
  }

  /** One sweep at a time; its outcome is taken in by the next look. */
  #ask(inQuestion: readonly PeerSpec[]): void {
    const specs = [...new Set([...inQuestion, ...this.#witnesses])].filter((spec) =>
      this.#answersItself(spec),
    )
    if (specs.length === 0 || this.#isAsking || !this.#echoes.canAsk) return
    this.#isAsking = true
    this.#witnesses = []
    for (const { publicKey: key } of specs) this.#introduced.set(key, (this.#introduced.get(key) ?? 0) + 1)
    void this.#echoes.ask(specs.map(({ address }) => address)).then((answered) => {
      const at = this.#clock.now()
      if (answered === undefined) this.#cannotAsk()
      else
        for (const { publicKey, address } of specs)
          this.#heard.push({ publicKey, isAnswered: answered.has(address), at })
      this.#isAsking = false
    })
  }

  /** Of several with one mesh address only the one that WireGuard sends to can answer an echo to it. */
  #answersItself({ address, allowedIps }: PeerSpec): boolean {
    return !this.#shared.has(address) || allowedIps.includes(hostPrefix(address))
  }

  /** Idle peers would all seem dead after a change of our network, and be raced for nothing: so traffic alone tells. */
  #cannotAsk(): void {
    for (const [key, vigil] of this.#vigils) this.#vigils.set(key, { ...vigil, recheck: undefined })
  }

  #takeEchoes(): void {
    for (const { publicKey, isAnswered, at } of this.#heard.splice(0)) {
      const vigil = this.#vigils.get(publicKey)
      if (vigil === undefined) continue
      if (isAnswered) this.#answering.add(publicKey)
      this.#vigils.set(publicKey, noteEcho(vigil, isAnswered, at))
    }
  }
}

/** Passes come for many reasons; a sample is a stretch of time, and too short a one shows less than it seems. */
const isDue = (vigil: Vigil, now: Instant, settings: SuspicionSettings): boolean =>
  vigil.recheck !== undefined ||
  now - vigil.sampledAt >= sampleAfter(judgeVigil(vigil, now, settings), settings) * 0.9

const repeated = (addresses: readonly Address[]): ReadonlySet<Address> => {
  const seen = new Set<Address>()
  return new Set(addresses.filter((address) => seen.size === seen.add(address).size))
}

/** In whatever order. */
const sameMembers = (one: readonly AddressPort[], other: readonly AddressPort[]): boolean =>
  one === other || (one.length === other.length && one.every((member) => other.includes(member)))
