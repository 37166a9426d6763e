import { type Address, hostPrefix, isValidPrefix, type Prefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import type { ForwardingState } from '../../model/desired.ts'
import type { Identity } from '../../model/identity.ts'

export interface ForwardingInput {
  readonly identity: Pick<Identity, 'address'>
  readonly ownAddresses: readonly Address[]
  /** Of this node, whether they are advertised or not. */
  readonly podCidrs: readonly Prefix[]
  readonly kubernetesPodCidrs: readonly Prefix[] | undefined
  /** Of all nodes. */
  readonly clusterPodCidrs: readonly Prefix[]
  readonly byLink: NonNullable<ForwardingState['byLink']>
}

/**
 * Whose packets this host sends into the tunnel although it only forwards them: its own addresses and its pods. Pods that are
 * not advertised are among them: a network plugin masquerades them wherever they leave, and in clear to another node they must not.
 */
export const planForwarding = (input: ForwardingInput): ForwardingState => {
  const { identity, ownAddresses, podCidrs, kubernetesPodCidrs = [], clusterPodCidrs, byLink } = input
  const networks = [...podCidrs, ...kubernetesPodCidrs, ...clusterPodCidrs].filter(isValidPrefix)
  const addresses = [identity.address, ...ownAddresses].map(hostPrefix)
  return {
    sources: PrefixSet.of([...networks, ...addresses]).toPrefixes(),
    ...(byLink.length === 0 ? {} : { byLink }),
  }
}
