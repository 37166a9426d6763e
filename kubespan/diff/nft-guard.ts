import { STRAYS_COUNTER } from '../model/constants.ts'
import type { DesiredState } from '../model/desired.ts'
import { hex } from '../model/mark-words.ts'
import { sparedSources } from './forwarded-sources.ts'
import { NEIGHBOUR_DISCOVERY, passBy } from './nft-marking.ts'
import type { NftChain } from './nft-types.ts'
import { PRIORITY_BEFORE_SOURCE_NAT } from './nft-words.ts'

/**
 * The last thing that a packet meets, once it is settled which link it leaves by. What is for the mesh leaves by our link, is one of
 * those that pass by, or is dropped: also when a rule of somebody else was asked before ours, when our rule, our routes or the chains
 * that mark are gone, and when somebody took the mark off again.
 *
 * Before sources are translated, so that a packet still has the one that it was judged by.
 */
export function planGuard(desired: Pick<DesiredState, 'placement' | 'bypass' | 'forwarding'>): NftChain {
  const { linkName, listenPort, fwmarkMask, routeFwmark } = desired.placement
  const isMarked = `meta mark & ${hex(fwmarkMask)} == ${hex(routeFwmark)}`
  const isForMesh = ['ip daddr @routed_v4', 'ip6 daddr @routed_v6']
  const drop = `counter name ${STRAYS_COUNTER} drop`
  return {
    name: 'kubespan_guard',
    type: 'filter',
    hook: 'postrouting',
    priority: PRIORITY_BEFORE_SOURCE_NAT,
    rules: [
      `oifname "${linkName}" accept`,
      'oifname "lo" accept',
      // By now somebody may have set the marks of all packets, and the tunnel is not to suffer from that.
      `udp sport ${listenPort} accept`,
      NEIGHBOUR_DISCOVERY,
      // Our mark was given because nothing let it pass by, so nothing does here. Others' packets may have such a mark as well.
      ...isForMesh.map((match) => `${isMarked} ${match} ${drop}`),
      ...passBy(desired),
      ...sparedSources(desired.forwarding, desired.placement),
      ...isForMesh.map((match) => `${match} ${drop}`),
    ],
  }
}
