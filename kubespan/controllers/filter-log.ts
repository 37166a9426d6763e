import type { Address } from '../../shared/net/address.ts'
import type { Identity } from '../model/identity.ts'
import type { ObservedLink } from '../model/observed.ts'
import type { PeerSpec, PeerStatus, PublicKey } from '../model/peer.ts'
import type { Settings } from '../model/settings.ts'
import type { RetainedAffiliate } from '../plan/members/retain.ts'
import type { MeshLog } from './announce.ts'
import { describeCandidates } from './paths/candidates.ts'

export interface FilterInput {
  /** Own addresses that are not announced. */
  readonly dropped: readonly { readonly address: Address; readonly reason: string }[]
  readonly specs: readonly PeerSpec[]
  readonly statuses: ReadonlyMap<PublicKey, PeerStatus>
  readonly retained: readonly RetainedAffiliate[]
  readonly links: readonly ObservedLink[]
  readonly identity: Pick<Identity, 'subnet'>
  readonly settings: Pick<Settings, 'racing' | 'filters'>
}

/** Every decision of a filter as a line at debug, when it is made and when it ends. Costs nothing above that level. */
export class FilterLog {
  readonly #log: MeshLog
  #said = new Map<string, object>()

  constructor(log: MeshLog) {
    this.#log = log
  }

  tell(input: FilterInput): void {
    if (!this.#log.isLevelEnabled?.('debug')) return
    const now = new Map(decisions(input).map((decision) => [JSON.stringify(decision), decision]))
    for (const [text, decision] of now) if (!this.#said.has(text)) this.#log.debug?.(decision, 'filtered')
    for (const [text, decision] of this.#said)
      if (!now.has(text)) this.#log.debug?.(decision, 'no longer filtered')
    this.#said = now
  }
}

const decisions = ({ identity, ...input }: FilterInput): readonly object[] => [
  ...input.dropped.map(({ address, reason }) => ({ what: 'own address, not announced', address, reason })),
  ...input.specs.flatMap((spec) =>
    describeCandidates(spec, input.statuses.get(spec.publicKey), {
      ...input,
      meshSubnet: identity.subnet,
    }).flatMap(({ endpoint, notTried }) =>
      notTried === undefined
        ? []
        : [{ what: 'endpoint, not tried', peer: spec.label, endpoint, reason: notTried }],
    ),
  ),
  ...input.retained.flatMap(({ affiliate: { nodeId, nodename, kubespan } }) =>
    kubespan.excludeAdvertisedNetworks.map((network) => ({
      what: 'network, not routed',
      peer: nodename || nodeId,
      network,
      reason: 'the peer excludes it',
    })),
  ),
]
