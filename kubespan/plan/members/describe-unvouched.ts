import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { PeerState, PublicKey } from '../../model/peer.ts'
import type { RetainedAffiliate } from './retain.ts'

export interface UnvouchedInput {
  readonly retained: readonly RetainedAffiliate[]
  readonly stateOf: (publicKey: PublicKey) => PeerState | undefined
  /** Every source has told us all it knows. */
  readonly isComplete: boolean
}

const NAMES_MAX = 5

/** Live peers that no source knows, and what is dropped because its owner is gone: one line each, for people. */
export function describeUnvouched({ retained, stateOf, isComplete }: UnvouchedInput): string[] {
  if (!isComplete) return []
  const live = retained.filter(
    ({ affiliate, unconfirmedUntil, held }) =>
      unconfirmedUntil !== undefined && held === undefined && stateOf(affiliate.kubespan.publicKey) === 'up',
  )
  const held = retained.filter(({ held }) => held !== undefined)
  return [
    ...(live.length === 0
      ? []
      : [
          `no source vouches for ${count(live.length, 'live peer')}: ${namesOf(live)}. A live peer stays; a discovery service lost or withholds its record, or it has left: "kubespan get affiliates --namespace cluster-raw" shows what each source tells`,
        ]),
    ...(held.length === 0
      ? []
      : [
          `packets for what ${namesOf(held)} owned are dropped: no source vouches for ${held.length === 1 ? 'it' : 'them'} any more. For a node that is gone for good: kubespan forget NODE`,
        ]),
  ]
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`

function namesOf(entries: readonly RetainedAffiliate[]): string {
  const names = entries.slice(0, NAMES_MAX).map(({ affiliate }) => nameOf(affiliate))
  const more = entries.length - names.length
  return `${names.join(', ')}${more === 0 ? '' : ` and ${more} more`}`
}

const nameOf = ({ nodeId, nodename, hostname }: Affiliate): string => nodename || hostname || nodeId
