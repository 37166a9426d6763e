import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { AddressPort } from '../../shared/net/address.ts'
import type { ObservedLink } from '../model/observed.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../model/peer.ts'
import { ownAddresses } from '../plan/own-addresses.ts'
import {
  beginVigil,
  judgeVigil,
  nextSample,
  noteEcho,
  recheck,
  SUSPICION,
  sample,
  type Verdict,
  type Vigil,
} from '../plan/suspicion.ts'
import type { Echoes } from './echoes.ts'

export interface WatchInput {
  readonly specs: readonly PeerSpec[]
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly links: readonly ObservedLink[]
  /** Our own, whose addresses say nothing about the networks that we are on. */
  readonly linkName: string
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
/** After a change of our own network every look counts. */
const RECHECK_LOOK_EVERY: Milliseconds = 500

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
  #network: string | undefined
  #isAsking = false

  constructor(echoes: Echoes, clock: Clock) {
    this.#echoes = echoes
    this.#clock = clock
  }

  look(input: WatchInput): Watched {
    const { specs, statuses, now } = input
    const isUp = (key: PublicKey): boolean => statuses.get(key)?.state === 'up'
    for (const key of this.#vigils.keys()) if (!isUp(key)) this.#vigils.delete(key)
    this.#followPaths(input)
    for (const key of this.#answering) if (!statuses.has(key)) this.#answering.delete(key)
    this.#takeEchoes()

    const network = ownAddresses(input.links, input.linkName)
    const isElsewhere = this.#network !== undefined && this.#network !== network
    this.#network = network
    const verdicts = new Map<PublicKey, Verdict>()
    for (const [key, status] of statuses) {
      if (!isUp(key)) continue
      const before = this.#vigils.get(key) ?? beginVigil(status, now, this.#answering.has(key))
      const sampled = isDue(before, now) ? sample(before, status, now, SUSPICION) : before
      const vigil = isElsewhere && this.#echoes.canAsk ? recheck(sampled, now) : sampled
      this.#vigils.set(key, vigil)
      verdicts.set(key, judgeVigil(vigil, now, SUSPICION))
    }
    this.#ask(specs.filter(({ publicKey: key }) => verdicts.get(key) === 'doubtful' || this.#isStranger(key)))
    const isRechecking = [...this.#vigils.values()].some(({ recheckSince }) => recheckSince !== undefined)
    return {
      hasMoved: isElsewhere,
      suspects: new Set([...verdicts].flatMap(([key, verdict]) => (verdict === 'suspect' ? [key] : []))),
      unsure: new Set([...verdicts].flatMap(([key, verdict]) => (verdict === 'calm' ? [] : [key]))),
      again: isRechecking
        ? RECHECK_LOOK_EVERY
        : verdicts.size === 0
          ? undefined
          : nextSample(verdicts.values(), SUSPICION),
    }
  }

  /** Nothing is known of how long a path takes that a peer has just taken to. */
  #followPaths({ specs, statuses }: WatchInput): void {
    for (const { publicKey: key, address } of specs) {
      const status = statuses.get(key)
      const endpoint = status?.state === 'up' ? status.endpoint : undefined
      if (this.#paths.get(key) === endpoint) continue
      this.#paths.set(key, endpoint)
      this.#introduced.delete(key)
      this.#echoes.forget(address)
    }
    for (const key of this.#paths.keys()) if (!statuses.has(key)) this.#paths.delete(key)
  }

  #isStranger(key: PublicKey): boolean {
    const asked = this.#introduced.get(key) ?? 0
    return this.#vigils.has(key) && asked < (this.#answering.has(key) ? 1 : INTRODUCTIONS)
  }

  /** One sweep at a time; its outcome is taken in by the next look. */
  #ask(specs: readonly PeerSpec[]): void {
    if (specs.length === 0 || this.#isAsking || !this.#echoes.canAsk) return
    this.#isAsking = true
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

  /** Idle peers would all seem dead after a change of our network, and be raced for nothing: so traffic alone tells. */
  #cannotAsk(): void {
    for (const [key, vigil] of this.#vigils) this.#vigils.set(key, { ...vigil, recheckSince: undefined })
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
const isDue = (vigil: Vigil, now: Instant): boolean =>
  vigil.recheckSince !== undefined ||
  now - vigil.sampledAt >= nextSample([judgeVigil(vigil, now, SUSPICION)], SUSPICION) * 0.9
