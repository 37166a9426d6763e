import { Last } from '../../../shared/last.ts'
import type { Address, Prefix } from '../../../shared/net/address.ts'
import type { DesiredState } from '../../model/desired.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { Settings } from '../../model/settings.ts'
import type { LocalClaim, Surroundings } from '../../model/surroundings.ts'
import { DesiredRecall, type DesiredStateInput, planHost } from '../../plan/peers/desired-state.ts'
import { planForwarding } from '../../plan/peers/forwarding.ts'
import { NO_PROOFS, type Proofs, proveNeighbours } from '../../plan/peers/locality.ts'
import { ownAddresses } from '../../plan/self/own-addresses.ts'
import { type BypassSources, gatherBypass } from './bypass.ts'

export interface DesireInput
  extends BypassSources,
    Pick<DesiredStateInput, 'identity' | 'specs' | 'statuses' | 'endpoints'>,
    Required<Pick<DesiredStateInput, 'claims' | 'surroundings'>> {
  readonly settings: BypassSources['settings'] &
    Pick<DesiredStateInput, 'placement' | 'mtuBytes' | 'allowDownPeerBypass'> & {
      readonly node: Pick<Settings['node'], 'podCidrs' | 'clusterPodCidrs'>
    }
  /** Pod networks of this node as Kubernetes knows them. */
  readonly kubernetesPodCidrs: readonly Prefix[]
  /** Everybody who could say who is in the mesh has done so. */
  readonly isComplete: boolean
  readonly racePort: number | undefined
}

export interface Desire {
  readonly desired: DesiredState
  /** What stays local although peers claim it. */
  readonly told: readonly LocalClaim[]
}

/** What is wanted of this host. What it remembers is which neighbours are peers, for as long as this host is where it is. */
export class DesiredKeeper {
  readonly #recall = new DesiredRecall()
  readonly #own = new Last<readonly Address[]>()
  #proofs: Proofs = NO_PROOFS
  #where = ''

  desire(input: DesireInput): Desire {
    const { settings, links, surroundings, isComplete, racePort } = input
    const ownAddresses = this.#own.of([links], () => addressesOf(links, settings.placement.linkName))
    const { desired, told } = planHost(
      {
        ...settings,
        ...input,
        proofs: this.#prove(input),
        ownAddresses,
      },
      this.#recall,
    )
    return {
      told,
      desired: {
        ...desired,
        ...(surroundings.forwards
          ? { forwarding: planForwarding({ ...input, ...settings.node, ownAddresses }) }
          : {}),
        bypass: gatherBypass(input),
        isProvisional: !isComplete && !settings.allowDownPeerBypass,
        racePort,
      },
    }
  }

  #prove({ settings, links, surroundings, specs, statuses, claims }: DesireInput): Proofs {
    const where = whereIs(links, surroundings, settings.placement.linkName)
    const before = where === this.#where ? this.#proofs : NO_PROOFS
    this.#where = where
    this.#proofs = proveNeighbours({ before, surroundings, specs, statuses, claims })
    return this.#proofs
  }
}

/** Another place may have another machine under the same address. */
const whereIs = (links: readonly ObservedLink[], { neighbours }: Surroundings, ownLinkName: string): string =>
  JSON.stringify([ownAddresses(links, ownLinkName), neighbours])

const addressesOf = (links: readonly ObservedLink[], ownLinkName: string): readonly Address[] =>
  links
    .filter(({ name }) => name !== ownLinkName)
    .flatMap(({ addresses }) =>
      addresses.filter(({ scope }) => scope === 'global' || scope === 'site').map(({ address }) => address),
    )
