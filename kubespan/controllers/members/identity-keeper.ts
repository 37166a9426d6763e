import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import { messageOf } from '../../../shared/message-of.ts'
import type { Identity } from '../../model/identity.ts'
import type { IdentityConflict } from '../../model/identity-conflict.ts'
import type { PublicKey } from '../../model/peer.ts'
import type { Settings } from '../../model/settings.ts'
import {
  type AddressBearer,
  type AddressClashes,
  describeClashes,
  planClashes,
} from '../../plan/members/address-clash.ts'
import { describeSharedIds } from '../../plan/members/shared-ids.ts'
import type { PeerConflict } from '../../plan/peers/peer-specs.ts'
import type { DoubleSeen } from '../../sources/discovery/double.ts'
import type { MeshHost } from '../mesh-host.ts'
import type { MeshMemory } from '../view.ts'
import { type Listed, stampsOf } from './forgotten.ts'

export interface IdentityKeeperOptions {
  readonly host: Pick<MeshHost, 'giveAddressUp'>
  readonly clock: Pick<Clock, 'now'>
  readonly log: { warn(fields: object, message: string): void }
  /** Publishes our record anew although nothing in it has changed: a sign of life for who has not met us. */
  readonly renew: () => void
}

export interface IdentityInput {
  readonly settings: Settings
  readonly identity: Identity
  readonly gathered: Pick<MeshMemory, 'retained' | 'knownSince' | 'trails' | 'statuses'>
  readonly refusals: readonly PeerConflict[]
  /** Who else was seen to publish under our node id. */
  readonly double: DoubleSeen | undefined
  /** Since when each peer is not up, or its path seems dead. */
  readonly silent: ReadonlyMap<PublicKey, Instant>
  readonly listed: Listed
  /** Whether who should has told us all it knows. */
  readonly isComplete: boolean
}

/** What cannot be written now may be later. */
const TRY_AGAIN_AFTER: Milliseconds = 30_000

export interface IdentityLook {
  readonly conflicts: readonly IdentityConflict[]
  /** When to look again; undefined when nothing waits. */
  readonly again: Milliseconds | undefined
}

/** Sees when two machines have what only one may have, says so, and ends what can be ended from here. */
export class IdentityKeeper {
  readonly #options: IdentityKeeperOptions
  #clashes: AddressClashes = new Map()
  /** Since when those who are new to us are new to the mesh as well. */
  #completeSince: Instant | undefined
  /** Of those with our address: how their records were published when we met them. */
  readonly #met = new Map<string, ReadonlySet<string>>()
  readonly #shared = new Last<ReadonlySet<string>>()

  constructor(options: IdentityKeeperOptions) {
    this.#options = options
  }

  async look(input: IdentityInput): Promise<IdentityLook> {
    const { settings, identity, gathered, isComplete } = input
    const now = this.#options.clock.now()
    if (isComplete) this.#completeSince ??= now
    const conflicts = describeSharedIds({
      ...{ ownId: identity.nodeId, trails: gathered.trails, now },
      double: input.double,
      conflicts: input.refusals,
      nodes: input.listed.kubernetes?.doubles ?? [],
      toldFor: settings.timing.affiliateTtl,
    })
    const { conflicts: clashes, again } = await this.#lookAtAddresses(input, now)
    return { conflicts: [...conflicts, ...clashes], again }
  }

  async #lookAtAddresses(input: IdentityInput, now: Instant): Promise<IdentityLook> {
    const { settings, identity, gathered } = input
    const shared = this.#sharedAddresses(gathered.retained, identity)
    if (shared.size === 0 && this.#clashes.size === 0) return { conflicts: [], again: undefined }

    const own = { nodeId: identity.nodeId, name: settings.node.nodename, address: identity.address }
    const others = this.#bearers(input).filter(
      ({ nodeId, address }) =>
        shared.has(address) || [...this.#clashes.values()].some(({ nodeIds }) => nodeIds.includes(nodeId)),
    )
    const { clashes, moves, again } = planClashes({
      ...{ own, others, before: this.#clashes, now },
      canMove: identity.isMadeOfHardwareAddress === true,
    })
    this.#clashes = clashes
    const hasMoved = moves && (await this.#giveAddressUp(input))
    const conflicts = describeClashes(clashes, { own, others, now })
    return { conflicts, again: moves ? (hasMoved ? 0 : TRY_AGAIN_AFTER) : again }
  }

  async #giveAddressUp({ settings, identity: { address } }: IdentityInput): Promise<boolean> {
    const { host, log } = this.#options
    try {
      await host.giveAddressUp(settings)
      const why = 'another node has the one that is made of the hardware address of its network card'
      log.warn({ address }, `this node takes a mesh address that is made of its node id: ${why}`)
      return true
    } catch (error) {
      log.warn({ address, problem: messageOf(error) }, 'the mesh address cannot be given up')
      return false
    }
  }

  /** Mostly none, and then nothing else is to be looked at. */
  #sharedAddresses(retained: MeshMemory['retained'], { address }: Identity): ReadonlySet<string> {
    return this.#shared.of([retained, address], () => {
      const seen = new Set<string>([address])
      return new Set(
        retained.flatMap(({ affiliate: { kubespan } }) => {
          if (kubespan.address === undefined) return []
          return seen.size === seen.add(kubespan.address).size ? [kubespan.address] : []
        }),
      )
    })
  }

  #bearers({ gathered, identity, silent, listed }: IdentityInput): AddressBearer[] {
    const { retained, statuses, knownSince } = gathered
    return retained.flatMap(({ affiliate }) => {
      const { nodeId, nodename, hostname, operatingSystem, kubespan } = affiliate
      const { publicKey, address } = kubespan
      if (address === undefined) return []
      const isUp = statuses.get(publicKey)?.state === 'up' && !silent.has(publicKey)
      return [
        {
          ...{ nodeId, address, name: nodename || hostname },
          isTalos: /^Talos\b/.test(operatingSystem),
          isAlive: isUp || (address === identity.address && this.#hasPublished(nodeId, listed)),
          heardAt: statuses.get(publicKey)?.lastReceiveAt,
          isNewcomer: (knownSince.get(nodeId) ?? -Infinity) > (this.#completeSince ?? Infinity),
        },
      ]
    })
  }

  /** Whether it has published its record anew since we met it. Two that cannot reach each other learn of each other by this. */
  #hasPublished(nodeId: string, listed: Listed): boolean {
    const stamps = stampsOf(nodeId, listed)
    const met = this.#met.get(nodeId)
    if (met !== undefined) return stamps.some((stamp) => !met.has(stamp))
    this.#met.set(nodeId, new Set(stamps))
    this.#options.renew()
    return false
  }
}
