import type { Clock } from '../../../shared/clock.ts'
import { Last } from '../../../shared/last.ts'
import type { Address, Prefix } from '../../../shared/net/address.ts'
import type { DesiredState, ForwardingState } from '../../model/desired.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { Settings, Timing } from '../../model/settings.ts'
import type { LocalClaim, Surroundings } from '../../model/surroundings.ts'
import { describeKept, type OwnedSpace, planOwned } from '../../plan/peers/bypass.ts'
import { DesiredRecall, type DesiredStateInput, planHost } from '../../plan/peers/desired-state.ts'
import { planForwarding } from '../../plan/peers/forwarding.ts'
import {
  type Claimants,
  findClaimants,
  NO_PROOFS,
  type Proofs,
  proveNeighbours,
} from '../../plan/peers/locality.ts'
import { hostAddresses, ownAddresses } from '../../plan/self/own-addresses.ts'
import { type BypassSources, gatherBypass } from './bypass.ts'
import { SurroundingsKeeper } from './surroundings-keeper.ts'

export interface DesireInput
  extends BypassSources,
    Pick<DesiredStateInput, 'identity' | 'specs' | 'statuses' | 'endpoints'>,
    Required<Pick<DesiredStateInput, 'claims' | 'held'>> {
  readonly settings: BypassSources['settings'] &
    Pick<DesiredStateInput, 'placement' | 'mtuBytes' | 'allowDownPeerBypass'> & {
      readonly timing: Pick<Timing, 'reconcileEvery'>
      readonly node: Pick<Settings['node'], 'podCidrs' | 'clusterPodCidrs'>
    }
  /** Pod networks of this node as Kubernetes knows them. */
  readonly kubernetesPodCidrs: readonly Prefix[] | undefined
  /** Something on the host may have changed. */
  readonly isSuspect: boolean
  /** Everybody who could say who is in the mesh has done so. */
  readonly isComplete: boolean
  readonly racePort: number | undefined
}

export interface Desire {
  readonly desired: DesiredState
  /** What stays local although peers claim it. */
  readonly told: readonly LocalClaim[]
  /** For people: what is not let past the tunnel although the mesh may come up through it. */
  readonly passing: readonly string[]
}

/** What is wanted of this host. What it remembers is which neighbours are peers, for as long as this host is where it is. */
export class DesiredKeeper {
  readonly #surroundings: SurroundingsKeeper
  readonly #recall = new DesiredRecall()
  readonly #own = new Last<readonly Address[]>()
  readonly #forwarding = new Last<ForwardingState>()
  readonly #claimants = new Last<Claimants>()
  readonly #places = new Last<string>()
  readonly #owned = new Last<OwnedSpace>()
  #proofs: Proofs = NO_PROOFS
  #where = ''
  #lastOwn = ''

  constructor(
    observe: (mustAskRoutes: boolean) => Promise<Surroundings>,
    clock: Pick<Clock, 'now'>,
    warn: (problem: string) => void,
  ) {
    this.#surroundings = new SurroundingsKeeper({ observe, clock, warn })
  }

  async desire(input: DesireInput): Promise<Desire> {
    const { settings, links, isComplete, racePort, isSuspect } = input
    const ownAddresses = this.#own.of([links], () => hostAddresses(links, settings.placement.linkName))
    // Of containers nobody tells us.
    const hasOthers = ownAddresses.join() !== this.#lastOwn
    this.#lastOwn = ownAddresses.join()
    const surroundings = await this.#surroundings.look(isSuspect || hasOthers, settings.timing.reconcileEvery)
    const { desired, told } = planHost(
      {
        ...settings,
        ...input,
        surroundings,
        proofs: this.#prove(input, surroundings),
        ownAddresses,
      },
      this.#recall,
    )
    const { bypass, kept } = gatherBypass(input, () => this.#ownedBy(input, desired))
    return {
      told,
      passing: kept.map((goal) => describeKept(goal, labelled(input))),
      desired: {
        ...desired,
        ...(surroundings.forwards ? { forwarding: this.#forward(input, ownAddresses, surroundings) } : {}),
        bypass,
        isProvisional: !isComplete && !settings.allowDownPeerBypass,
        racePort,
      },
    }
  }

  #ownedBy({ claims, held, specs, identity }: DesireInput, desired: DesiredState): OwnedSpace {
    const { routedV4, routedV6 } = desired
    return this.#owned.of([routedV4, routedV6, claims, held, specs, identity.subnet], () =>
      planOwned({
        routed: [...routedV4, ...routedV6],
        subnet: identity.subnet,
        claimed: [
          ...[...claims.values()].flat(),
          ...held.flatMap(({ prefixes }) => prefixes),
          ...specs.flatMap(({ allowedIps }) => allowedIps),
        ],
      }),
    )
  }

  #forward(
    input: DesireInput,
    ownAddresses: readonly Address[],
    { forwardedByLink: byLink }: Surroundings,
  ): ForwardingState {
    const { settings, identity, kubernetesPodCidrs } = input
    const parts = [settings.node, identity.address, ownAddresses, kubernetesPodCidrs, byLink]
    return this.#forwarding.of(parts, () =>
      planForwarding({ ...input, ...settings.node, ownAddresses, byLink }),
    )
  }

  #prove({ settings, links, statuses, claims }: DesireInput, surroundings: Surroundings): Proofs {
    const { linkName } = settings.placement
    const where = this.#places.of([links, surroundings, linkName], () =>
      whereIs(links, surroundings, linkName),
    )
    const before = where === this.#where ? this.#proofs : NO_PROOFS
    this.#where = where
    this.#proofs = proveNeighbours({
      ...{ before, surroundings, statuses },
      claimants: this.#claimants.of([surroundings, claims], () => findClaimants(surroundings, claims)),
    })
    return this.#proofs
  }
}

/** Another place may have another machine under the same address. */
const whereIs = (links: readonly ObservedLink[], { neighbours }: Surroundings, ownLinkName: string): string =>
  JSON.stringify([ownAddresses(links, ownLinkName), neighbours])

const labelled = ({ specs, held }: Pick<DesireInput, 'specs' | 'held'>) =>
  [...specs.map(({ allowedIps, ...spec }) => ({ ...spec, prefixes: allowedIps })), ...held].map(
    ({ label, nodeId, prefixes }) => ({ label: label || nodeId, prefixes }),
  )
